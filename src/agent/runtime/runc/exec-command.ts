import { readFile, rm } from 'node:fs/promises';
import type { Readable, Writable } from 'node:stream';
import { sleep, type Clock } from '#base/clock.ts';
import type { StandardStreams } from '#base/standard-streams.ts';
import { execOnPipes } from '#agent/runtime/runc/exec-on-pipes.ts';
import { execOnTerminal } from '#agent/runtime/runc/exec-on-terminal.ts';
import type { ExecOptions, ExecStarted } from '#agent/runtime/runc/exec-started.ts';
import { killTree } from '#agent/runtime/runc/process-tree.ts';

/** A shell's word for a command that could not be run; runc's message about it goes to stderr. */
const CANNOT_RUN = 126;
/** A command that was ended has this long to be gone, then whoever looks after it is ended too. */
const END_MS = 5_000;
/** How soon after its start runc has written down the command's process id is not known. */
const PID_MS = 10;

/** See `Runtime.run`. */
export async function execCommand(
  options: ExecOptions,
  streams: StandardStreams,
  signal: AbortSignal,
): Promise<number> {
  signal.throwIfAborted();
  const { isTerminal, clock, pidFile, specFile } = options;
  const done = new AbortController();
  let ending: Promise<void> | undefined;
  try {
    const execOn = isTerminal ? execOnTerminal : execOnPipes;
    const started = await execOn(options, streams);
    ending = endOnAbort(started, { pidFile, clock, signal, done: done.signal });
    const copied = started.outputs.map(([source, target]) => copy(source, target));
    const exitCode = await started.exitCode;
    await Promise.all(copied);
    return exitCode ?? CANNOT_RUN;
  } finally {
    done.abort();
    await ending;
    await Promise.all([pidFile, specFile].map((file) => rm(file, { force: true })));
  }
}

/** Resolves at the source's end, all of it handed on. A target that nobody reads any more ends the source. */
async function copy(source: Readable, target: Writable | undefined): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  source.once('close', resolve);
  // A terminal ends with EIO; the exit code says what matters.
  source.on('error', () => undefined);
  target?.once('close', () => source.destroy());
  if (target?.destroyed) source.destroy();
  else if (target) source.pipe(target, { end: false });
  else source.resume();
  await promise;
}

interface Ending {
  readonly pidFile: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Aborted when there is nothing left to end. */
  readonly done: AbortSignal;
}

/** Ending runc alone would leave the command running, so the command is ended, and runc with it. */
async function endOnAbort(
  { child, outputs }: ExecStarted,
  { pidFile, clock, signal, done }: Ending,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const either = AbortSignal.any([signal, done]);
  either.addEventListener('abort', () => resolve(), { once: true });
  if (!either.aborted) await promise;
  try {
    let pid = 0;
    for (let leftMs = END_MS; pid === 0 && leftMs > 0; leftMs -= PID_MS) {
      await sleep(clock, PID_MS, done);
      pid = Number(await readFile(pidFile, 'utf8').catch(() => ''));
    }
    if (pid > 0) await killTree(pid);
    // What left the tree may hold the pipes open, and nobody reads them any more.
    await sleep(clock, END_MS, done);
    child.kill('SIGKILL');
    for (const [source] of outputs) source.destroy();
  } catch (error) {
    if (!done.aborted) throw error;
  }
}
