import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm } from 'node:fs/promises';
import type { Readable, Writable } from 'node:stream';
import { sleep, type Clock } from '#base/clock.ts';
import type { StandardStreams } from '#base/standard-streams.ts';
import { PROGRAM_PATH } from '#agent/runtime/runc/conmon.ts';
import { killTree } from '#agent/runtime/runc/process-tree.ts';
import { openTerminal } from '#agent/runtime/runc/pseudo-terminal.ts';
import type { ContainerCommand } from '#agent/runtime/runtime.ts';

export interface ExecOptions extends ContainerCommand {
  readonly id: string;
  readonly runc: string;
  readonly stateFolder: string;
  /** Written by runc once the command has begun; removed at its end. */
  readonly pidFile: string;
  readonly clock: Clock;
}

/** A shell's word for a command that could not be run; runc's message about it goes to stderr. */
const CANNOT_RUN = 126;
/** A command that was ended has this long to be gone, then runc is ended too. */
const END_MS = 5_000;
/** How soon after its start runc has written down the command's process id is not known. */
const PID_MS = 10;

/** `runc exec`, joined to streams; see `Runtime.run`. */
export async function execCommand(
  options: ExecOptions,
  streams: StandardStreams,
  signal: AbortSignal,
): Promise<number> {
  const { runc, pidFile, clock } = options;
  signal.throwIfAborted();
  const { child, copied } = options.isTerminal
    ? startOnTerminal(runc, argsOf(options), streams)
    : startOnPipes(runc, argsOf(options), streams);
  const done = new AbortController();
  const exited = once(child, 'exit') as Promise<[number | null]>;
  const ending = endOnAbort(child, { pidFile, clock, signal, done: done.signal });
  try {
    const [code] = await exited;
    await copied;
    if (code === 0) return 0;
    const hasBegun = (await readPid(pidFile)) > 0;
    return hasBegun ? (code ?? CANNOT_RUN) : CANNOT_RUN;
  } finally {
    done.abort();
    await ending;
    await rm(pidFile, { force: true });
  }
}

/** Without a log of its own runc writes its messages as records of one; stderr is for people. */
const QUIET = ['--log', '/dev/null'];

function argsOf({ id, args, isTerminal, stateFolder, pidFile }: ExecOptions): string[] {
  const terminal = isTerminal ? ['--tty', '--env', 'TERM=xterm'] : [];
  return [...QUIET, '--root', stateFolder, 'exec', '--pid-file', pidFile, ...terminal, id, ...args];
}

interface Started {
  readonly child: ChildProcess;
  /** Resolves when all output has been handed on, or nobody wants it. */
  readonly copied: Promise<unknown>;
}

/** Its own session: Ctrl-C in the platform's terminal is for the platform. */
const ALONE = { detached: true, env: { PATH: PROGRAM_PATH } } as const;

function startOnPipes(runc: string, args: string[], streams: StandardStreams): Started {
  const { stdin, stdout, stderr } = streams;
  const pipeFor = (stream: unknown): 'pipe' | 'ignore' => (stream ? 'pipe' : 'ignore');
  const stdio = [stdin, stdout, stderr].map(pipeFor);
  const child = spawn(runc, args, { ...ALONE, stdio });
  // A program that does not read its input closes the pipe early; its exit code says what matters.
  child.stdin?.on('error', () => undefined);
  if (child.stdin) stdin?.pipe(child.stdin);
  return {
    child,
    copied: Promise.all([copy(child.stdout, stdout), copy(child.stderr, stderr)]),
  };
}

function startOnTerminal(runc: string, args: string[], streams: StandardStreams): Started {
  const { stdin, stdout, terminal } = streams;
  const { master, slave, closeSlave, resize } = openTerminal(terminal.newest);
  const child = spawn(runc, args, { ...ALONE, stdio: [slave, slave, slave] });
  closeSlave();
  terminal.follow((size) => {
    resize(size);
    // runc has no controlling terminal that would tell it.
    child.kill('SIGWINCH');
  });
  stdin?.pipe(master, { end: false });
  if (!stdout) master.resume();
  return { child, copied: copy(master, stdout) };
}

/** Resolves at the source's end, all of it handed on. A target that nobody reads any more ends the source. */
async function copy(source: Readable | null, target: Writable | undefined): Promise<void> {
  if (!source) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  source.once('close', resolve);
  target?.once('close', () => source.destroy());
  if (target?.destroyed) source.destroy();
  else if (target) source.pipe(target, { end: false });
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
  child: ChildProcess,
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
      pid = await readPid(pidFile);
    }
    if (pid > 0) await killTree(pid);
    // What left the tree may hold runc's pipes open; runc would wait for it.
    await sleep(clock, END_MS, done);
    child.kill('SIGKILL');
  } catch (error) {
    if (!done.aborted) throw error;
  }
}

async function readPid(file: string): Promise<number> {
  return Number(await readFile(file, 'utf8').catch(() => ''));
}
