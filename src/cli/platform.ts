import { mkdirSync, openSync } from 'node:fs';
import { hostname } from 'node:os';
import { lineSink } from '#base/line-sink.ts';
import { jsonLog } from '#base/log.ts';
import { systemClock } from '#base/clock.ts';
import { restartWithoutStripper } from '#base/type-stripper.ts';
import { choosePort } from '#supervisor/ports.ts';
import { pathsOf, type Settings } from '#supervisor/settings.ts';
import { alreadyRunning, Supervisor } from '#supervisor/supervisor.ts';
import { askSupervisor } from '#supervisor/ask-supervisor.ts';
import { readLiveRecord } from '#supervisor/process-record.ts';
import type { PartStatus } from '#supervisor/report.ts';
import type { Invocation } from './invocation.ts';
import { requireRoom } from './room-to-start.ts';
import { UserError } from './terminal.ts';

/** The flags that `up` and `demo` share. */
export interface ListenerFlags {
  readonly httpPort?: number;
  readonly httpsPort?: number;
  readonly apiPort: number;
  readonly registryPort: number;
  readonly listen: readonly string[];
}

/** Throws where the machine will not let us, in words that say what to do. */
export function requireRoot(what: string): void {
  if (process.getuid?.() === 0) return;
  throw new UserError(
    `'knode ${what}' needs root, because it makes containers, network namespaces and firewall rules: run it with sudo`,
  );
}

/** Throws CannotStart where this home has a running platform; UserError where the machine has no room; PortTaken. */
export async function settingsOf({ home }: Invocation, flags: ListenerFlags): Promise<Settings> {
  const running = await askSupervisor(pathsOf(home).supervisorSocket, { type: 'status' });
  if (running) throw alreadyRunning(home, running.pid);
  const survivors = survivingSettings(home);
  if (!survivors) await requireRoom();
  return (
    survivors ?? {
      home,
      nodeName: hostname().toLowerCase(),
      httpPort: await choosePort(
        flags.httpPort ?? 80,
        '--http-port',
        flags.httpPort === undefined ? 8080 : undefined,
      ),
      httpsPort: await choosePort(
        flags.httpsPort ?? 443,
        '--https-port',
        flags.httpsPort === undefined ? 8443 : undefined,
      ),
      apiPort: await choosePort(flags.apiPort, '--api-port'),
      registryPort: await choosePort(flags.registryPort, '--registry-port'),
      listen: flags.listen,
    }
  );
}

export interface StartedPlatform {
  readonly supervisor: Supervisor;
  /** Resolves at Ctrl-C, which also begins to stop the platform, however far its start has come. */
  readonly interrupted: Promise<void>;
}

/** Starts the platform in this process's care. Its log goes to a file; `onChange` tells how the parts do. */
export async function startPlatform(
  invocation: Invocation,
  settings: Settings,
  options: {
    readonly acceptLoss?: boolean | undefined;
    readonly onChange: (parts: readonly PartStatus[]) => void;
  },
): Promise<StartedPlatform> {
  restartWithoutStripper(invocation.environment);
  const interrupted = untilInterrupted();
  const flags = [...flagsOf(settings), '--node-name', settings.nodeName];
  mkdirSync(pathsOf(settings.home).logs, { recursive: true, mode: 0o700 });
  const logFile = openSync(pathsOf(settings.home).log('supervisor'), 'a', 0o600);
  const log = jsonLog(lineSink(logFile), systemClock);
  const supervisor = await Supervisor.start({
    settings,
    parts: ['control', 'gateway'].map((name) => ({
      name,
      command: [...invocation.self, 'run', name, ...flags],
      // Once: what is damaged after this start is not what the person agreed to lose.
      firstFlags: options.acceptLoss && name === 'control' ? ['--accept-loss'] : [],
    })),
    clock: systemClock,
    log,
    onChange: options.onChange,
  });
  // Whoever stops it at the end waits for the same stop, and sees its error.
  interrupted.then(() => supervisor.stop()).catch(() => undefined);
  return { supervisor, interrupted };
}

/** The settings as `up` takes them. */
export function flagsOf(settings: Settings): string[] {
  return [
    '--http-port',
    String(settings.httpPort),
    '--https-port',
    String(settings.httpsPort),
    '--api-port',
    String(settings.apiPort),
    '--registry-port',
    String(settings.registryPort),
    ...settings.listen.flatMap((address) => ['--listen', address]),
  ];
}

/** Of parts that outlived a killed supervisor: they hold the ports, so they are adopted with what they have. */
function survivingSettings(home: string): Settings | undefined {
  const record =
    readLiveRecord(pathsOf(home).processRecord('gateway')) ??
    readLiveRecord(pathsOf(home).processRecord('control'));
  return record && (JSON.parse(record.settings) as Settings);
}

/** What is going on while the platform starts: `control starting, gateway ready`. */
export function describeParts(parts: readonly PartStatus[]): string {
  return parts
    .map(({ name, state, message }) => `${name} ${state}${message ? ` (${message})` : ''}`)
    .join(', ');
}

/** Resolves at SIGINT or SIGTERM; a second SIGINT ends the process at once. */
export async function untilInterrupted(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  process.once('SIGTERM', () => resolve());
  process.once('SIGINT', () => {
    resolve();
    process.once('SIGINT', () => process.exit(130));
  });
  await promise;
}
