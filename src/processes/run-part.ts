import { PROCESS_START_MS, systemClock, type Clock } from '#base/clock.ts';
import { lineSink } from '#base/line-sink.ts';
import { atLeast, jsonLog, type Log, type LogLevel } from '#base/log.ts';
import { reportToSupervisor } from '#supervisor/part-reporter.ts';
import { pathsOf } from '#supervisor/settings.ts';
import type { PartFlags } from './part-flags.ts';

const STDOUT = 1;

export interface PartContext extends PartFlags {
  readonly clock: Clock;
  readonly log: Log;
  /** From now on nothing below it is logged; `info` until then. */
  readonly setLogLevel: (least: LogLevel) => void;
  /** Aborted when the part is told to stop. */
  readonly signal: AbortSignal;
  /** Says that a step of the start is done; the log line `ready` has what each took. */
  readonly done: (step: string) => void;
  /** Ends the process: it runs on with something missing, and whoever looks after it starts it again. */
  readonly fail: (error: unknown) => void;
}

/**
 * The life of one process: starts it, tells the supervisor, waits for SIGTERM or SIGINT, disposes it. A start that fails
 * is told to the supervisor in one sentence; what nobody caught ends the process, and the supervisor starts it again.
 */
export async function runPart(
  name: string,
  flags: PartFlags,
  start: (context: PartContext) => Promise<AsyncDisposable>,
): Promise<void> {
  const { settings } = flags;
  const clock = systemClock;
  let least: LogLevel = 'info';
  const log = atLeast(jsonLog(lineSink(STDOUT), clock).with({ part: name }), () => least);
  const setLogLevel = (level: LogLevel): void => {
    least = level;
  };
  const stop = new AbortController();
  process.once('SIGTERM', () => stop.abort());
  process.once('SIGINT', () => stop.abort());
  const fail = (error: unknown): void => {
    log.error('nobody caught this; ending', { error });
    process.exit(1);
  };
  process.on('uncaughtException', fail);
  using reporter = reportToSupervisor({
    socket: pathsOf(settings.home).supervisorSocket,
    name,
    settings: JSON.stringify(settings),
    clock,
  });
  const tookMs: Record<string, number> = {};
  let sinceMs = PROCESS_START_MS;
  const done = (step: string): void => {
    tookMs[step] = Math.round(clock.monotonicMs() - sinceMs);
    sinceMs = clock.monotonicMs();
  };
  done('load');
  let running: AsyncDisposable;
  try {
    running = await start({ ...flags, clock, log, setLogLevel, signal: stop.signal, done, fail });
  } catch (error) {
    log.error('cannot start', { error });
    await reporter.failed(error instanceof Error ? error.message : String(error));
    process.exit(1);
  }
  reporter.ready();
  log.info('ready', { tookMs });
  await aborted(stop.signal);
  log.info('stopping');
  await running[Symbol.asyncDispose]();
  log.info('stopped');
  // What a library left open must not keep a stopped part alive.
  process.exit(0);
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener('abort', () => resolve(), { once: true });
  await promise;
}
