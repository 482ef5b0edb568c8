import { access, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Writable } from 'node:stream';
import { CommandError, runCommand } from '#base/command.ts';
import { sleep, type Clock } from '#base/clock.ts';
import { TerminalSizes, type StandardStreams } from '#base/standard-streams.ts';
import {
  RuntimeError,
  type ContainerCommand,
  type ContainerExit,
  type CreateRequest,
  type ExecResult,
  type KnownContainer,
  type Runtime,
  type Usage,
} from '#agent/runtime/runtime.ts';
import { isOomKilled, thawCgroup } from '#agent/runtime/runc/cgroup.ts';
import { cgroupUsage } from '#agent/runtime/runc/cgroup-usage.ts';
import { createUnderConmon, PROGRAM_PATH } from '#agent/runtime/runc/conmon.ts';
import { execCommand } from '#agent/runtime/runc/exec-command.ts';
import { feed, reopenLogs } from '#agent/runtime/runc/conmon-control.ts';
import { openExecFifo } from '#agent/runtime/runc/exec-fifo.ts';
import { ExitFolder, type Exit } from '#agent/runtime/runc/exit-folder.ts';
import { commandPrefix, endLeftovers } from '#agent/runtime/runc/leftover-commands.ts';
import { initOf, isInitAlive } from '#agent/runtime/runc/init-process.ts';
import { resizeTerminalOf } from '#agent/runtime/runc/pseudo-terminal.ts';

export interface RuncOptions {
  readonly instance: string;
  readonly clock: Clock;
}

/** runc removes the state of a container that ended; conmon needs a moment more to write its exit file. */
const CONMON_END_MS = 5_000;
/** Of a container whose conmon was killed the kernel tells nobody, so its first process is looked at this often. */
const LOOK_MS = 2_000;
/** Kubernetes' limit of what is kept of a probe's output, in characters. */
const OUTPUT_MAX = 10 * 1024;
/** Longest a created container may take to let go of its fifo. */
const START_MS = 10_000;

/** In /run: what is there is true until the next boot, like the containers themselves. */
export function runtimeFolder(instance: string): string {
  return `/run/knode-${instance}`;
}

/** The instance's cgroup, above those of its containers. */
export function instanceCgroup(instance: string): string {
  return `/knode-${instance}`;
}

/** Throws a sentence that says what to install where runc or conmon is missing. */
export async function openRunc({ instance, clock }: RuncOptions): Promise<Runtime> {
  const [runc, conmon] = await Promise.all([findProgram('runc'), findProgram('conmon')]);
  const folder = runtimeFolder(instance);
  const folders = ['state', 'exits', 'sockets'].map((name) => path.join(folder, name));
  await Promise.all(folders.map((each) => mkdir(each, { recursive: true, mode: 0o700 })));
  await endLeftovers(folder, instanceCgroup(instance));
  return new RuncRuntime({ folder, instance, clock, runc, conmon });
}

async function findProgram(name: string): Promise<string> {
  for (const folder of PROGRAM_PATH.split(':')) {
    const file = path.join(folder, name);
    if (
      await access(file).then(
        () => true,
        () => false,
      )
    )
      return file;
  }
  throw new Error(`Cannot find ${name} in ${PROGRAM_PATH}: install the package ${name}`);
}

interface Places {
  readonly folder: string;
  readonly instance: string;
  readonly clock: Clock;
  readonly runc: string;
  readonly conmon: string;
}

class RuncRuntime implements Runtime {
  readonly #places: Places;
  readonly #exits: ExitFolder;
  #execs = 0;

  constructor(places: Places) {
    this.#places = places;
    this.#exits = new ExitFolder(path.join(places.folder, 'exits'));
  }

  cgroupsPathOf(id: string): string {
    return `${instanceCgroup(this.#places.instance)}/${id}`;
  }

  async create({ id, bundle, spec, logFile, stdin }: CreateRequest): Promise<void> {
    const { folder, runc, conmon } = this.#places;
    await writeFile(path.join(bundle, 'config.json'), JSON.stringify(spec), { mode: 0o600 });
    try {
      await createUnderConmon({
        id,
        bundle,
        logFile,
        stdin: stdin ?? 'none',
        isTerminal: spec.process.terminal,
        runc,
        conmon,
        stateFolder: path.join(folder, 'state'),
        exitFolder: path.join(folder, 'exits'),
        socketFolder: path.join(folder, 'sockets'),
      });
    } catch (error) {
      await this.delete(id);
      throw error;
    }
  }

  async start(id: string): Promise<void> {
    // Ends with whichever comes first; the abort of `signal` then ends the other.
    const ended = (signal: AbortSignal): Promise<void> =>
      Promise.race([
        this.#exits.exited(id, signal).then(
          () => undefined,
          () => undefined,
        ),
        sleep(this.#places.clock, START_MS, signal).catch(() => undefined),
      ]);
    await openExecFifo({ folder: this.#stateOf(id), ended });
  }

  async freeze(id: string): Promise<void> {
    // Not by the file alone: version 1 may hang between the two states, and runc tries until it is frozen.
    await this.#run('pause', id);
  }

  async thaw(id: string): Promise<void> {
    await thawCgroup(this.cgroupsPathOf(id));
  }

  async kill(id: string, signal: string): Promise<void> {
    try {
      await this.#run('kill', id, signal);
    } catch (error) {
      const isGone = /not running|does not exist|process already finished|no such process/i;
      if (!(error instanceof CommandError) || !isGone.test(error.stderr)) throw error;
    }
  }

  async exited(id: string, signal: AbortSignal): Promise<ContainerExit> {
    const told = new AbortController();
    const until = AbortSignal.any([signal, told.signal]);
    let exit: Exit;
    try {
      exit = await Promise.race([this.#exits.exited(id, until), this.#endedUnseen(id, until)]);
    } finally {
      told.abort();
    }
    return { ...exit, isOomKilled: await isOomKilled(this.cgroupsPathOf(id)) };
  }

  async delete(id: string): Promise<void> {
    const { clock } = this.#places;
    const wasKnown = await access(this.#stateOf(id)).then(
      () => true,
      () => false,
    );
    if (wasKnown) {
      // What is frozen does not die.
      await this.thaw(id);
      await this.#run('delete', '--force', id);
      // conmon writes the exit file after the fact: wait, or the file would stay behind.
      const limit = new AbortController();
      using _timer = clock.after(CONMON_END_MS, () => limit.abort());
      await this.#exits.exited(id, limit.signal).catch(() => undefined);
    }
    await this.#exits.remove(id);
    await rm(this.#stateOf(id), { recursive: true, force: true });
    await rm(this.#socketsOf(id), { recursive: true, force: true });
  }

  async list(): Promise<readonly KnownContainer[]> {
    // Also of whom only a socket or an exit file is left.
    const places = ['state', 'sockets', 'exits'].map((name) =>
      path.join(this.#places.folder, name),
    );
    const names = new Set((await Promise.all(places.map((place) => readdir(place)))).flat());
    if (names.size === 0) return [];
    const output = await this.#run('list', '--format', 'json');
    const listed = (JSON.parse(output) ?? []) as readonly {
      id: string;
      status: string;
      pid: number;
    }[];
    return Promise.all(
      [...names].map(async (id): Promise<KnownContainer> => {
        const found = listed.find((each) => each.id === id);
        return { id, state: found ? await stateOf(found) : 'broken' };
      }),
    );
  }

  async run(
    id: string,
    command: ContainerCommand,
    streams: StandardStreams,
    signal: AbortSignal,
  ): Promise<number> {
    const { runc, conmon, folder, clock } = this.#places;
    const stateFolder = path.join(folder, 'state');
    const prefix = commandPrefix(folder, (this.#execs += 1));
    const bundle = this.#socketsOf(id);
    const files = { bundle, stateFolder, pidFile: `${prefix}.pid`, specFile: `${prefix}.json` };
    return await execCommand({ ...command, ...files, id, runc, conmon, clock }, streams, signal);
  }

  async feed(
    id: string,
    { stdin, terminal }: Pick<StandardStreams, 'stdin' | 'terminal'>,
    signal: AbortSignal,
  ): Promise<void> {
    let resized = Promise.resolve();
    terminal.follow((size) => {
      // In order: clients send a size that is off by one first, so that the program draws anew at the second.
      resized = resized
        .then(async () => {
          const pid = await initOf(this.#stateOf(id));
          if (pid !== undefined) resizeTerminalOf(pid, size);
        })
        // A window's size is not worth a broken connection.
        .catch(() => undefined);
    });
    if (stdin) await feed(this.#socketsOf(id), stdin, signal);
  }

  async reopenLog(id: string): Promise<void> {
    await reopenLogs(this.#socketsOf(id));
  }

  async exec(id: string, command: readonly string[], limit: AbortSignal): Promise<ExecResult> {
    let output = '';
    const keep = (): Writable =>
      new Writable({
        write(chunk: Buffer, _encoding, done) {
          output += chunk.toString().slice(0, OUTPUT_MAX - output.length);
          done();
        },
      });
    const streams = { stdout: keep(), stderr: keep(), terminal: new TerminalSizes() };
    if (limit.aborted) return { exitCode: undefined, output };
    const exitCode = await this.run(id, { args: command, isTerminal: false }, streams, limit);
    return { exitCode: limit.aborted ? undefined : exitCode, output };
  }

  processOf(id: string): Promise<number | undefined> {
    return initOf(this.#stateOf(id));
  }

  usage(id: string): Promise<Usage | undefined> {
    return cgroupUsage(this.cgroupsPathOf(id));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#exits[Symbol.dispose]();
  }

  /** Rejects when the container has ended and the one who should tell is gone too; a kernel that tells too much at once forgets. */
  async #endedUnseen(id: string, signal: AbortSignal): Promise<Exit> {
    const { clock } = this.#places;
    do await sleep(clock, LOOK_MS, signal);
    while (await isInitAlive(this.#stateOf(id)));
    // Perhaps conmon is only about to tell.
    await sleep(clock, CONMON_END_MS, signal);
    const exit = await this.#exits.read(id);
    if (exit) return exit;
    throw new RuntimeError('the container ended, and its conmon was not there to see how');
  }

  /** conmon makes it, a link to the bundle, with its attach socket and its control fifo. */
  #socketsOf(id: string): string {
    return path.join(this.#places.folder, 'sockets', id);
  }

  #stateOf(id: string): string {
    return path.join(this.#places.folder, 'state', id);
  }

  #run(...args: readonly string[]): Promise<string> {
    const { runc, folder } = this.#places;
    return runCommand([runc, '--root', path.join(folder, 'state'), ...args]);
  }
}

/** runc says `created` until the fifo is unlinked; a process that died before that has begun its program already. */
async function stateOf({
  status,
  pid,
}: {
  status: string;
  pid: number;
}): Promise<KnownContainer['state']> {
  if (status === 'stopped') return 'stopped';
  if (status !== 'created') return 'running';
  const comm = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '');
  return comm.startsWith('runc:') ? 'created' : 'running';
}
