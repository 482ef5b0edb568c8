import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import type net from 'node:net';
import { backoffMs } from '#base/backoff.ts';
import { sleep, type Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import { readLiveRecord, removeRecord, writeRecord } from './process-record.ts';
import type { PartStatus } from './report.ts';

export interface PartOptions {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  /** For its starts until it was ready once. */
  readonly firstFlags: readonly string[];
  /** As text, to see whether a running part was asked for the same. */
  readonly settings: string;
  readonly recordFile: string;
  readonly logFile: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly onChange: () => void;
}

const RESTART = { firstMs: 20, maxMs: 10_000 };
/** A part that was ready this long starts its back-off anew. */
const HEALTHY_MS = 60_000;
/** A part that was told to stop and has not by then is killed. */
const STOP_MS = 45_000;
/** A part that survived its supervisor calls the next one within a second. */
const ADOPT_MS = 5_000;

/** One process of the platform: starts it or adopts it, starts it again when it ends, stops it when told. */
export class Part {
  readonly #options: PartOptions;
  #state: PartStatus['state'] = 'stopped';
  #pid: number | undefined;
  #message: string | undefined;
  #restarts = 0;
  #wasReady = false;
  #attempt = 0;
  #readySinceMs: number | undefined;
  #timer: Disposable | undefined;
  #stopped: PromiseWithResolvers<void> | undefined;

  constructor(options: PartOptions) {
    this.#options = options;
  }

  get status(): PartStatus {
    const { name } = this.#options;
    const message = this.#message === undefined ? {} : { message: this.#message };
    return { name, pid: this.#pid, state: this.#state, restarts: this.#restarts, ...message };
  }

  /** Takes over the process that outlived an earlier supervisor, if there is one; ends it where it was asked for otherwise. */
  async adopt(): Promise<void> {
    const record = readLiveRecord(this.#options.recordFile);
    if (!record) return;
    if (record.settings !== this.#options.settings) {
      this.#options.log.info('ending a part that runs with other settings', { pid: record.pid });
      await this.#endForeign(record.pid);
      return;
    }
    this.#pid = record.pid;
    this.#options.log.info('adopting a part that runs', this.#fields());
    this.#set('starting');
    this.#timer = this.#options.clock.after(ADOPT_MS, () => {
      signalProcess(record.pid, 'SIGKILL');
      this.#onEnd('it runs but did not answer');
    });
  }

  /** Does nothing where it was adopted. */
  async start(): Promise<void> {
    if (this.#pid === undefined && this.#state === 'stopped') await this.#spawn();
  }

  /**
   * The part has called: `socket` closes when it ends. One that nobody knows of (its supervisor was killed before it could
   * write down that it started it) is ended, as two would work against each other; false then.
   */
  connected(pid: number, socket: net.Socket): boolean {
    if (pid !== this.#pid) {
      this.#options.log.warn('ending a part that nobody knows of', {
        ...this.#fields(),
        ended: pid,
      });
      signalProcess(pid, 'SIGKILL');
      return false;
    }
    this.#timer?.[Symbol.dispose]();
    socket.once('close', () => {
      void this.#gone(pid).then(() => {
        if (this.#pid === pid) this.#onEnd();
      });
    });
    return true;
  }

  ready(): void {
    this.#message = undefined;
    this.#readySinceMs = this.#options.clock.monotonicMs();
    this.#wasReady = true;
    if (this.#state === 'starting') this.#set('ready');
  }

  failed(message: string): void {
    this.#message = message;
    this.#options.onChange();
  }

  /** Asks it to end, waits, insists. Resolves when it is gone. */
  async stop(): Promise<void> {
    this.#timer?.[Symbol.dispose]();
    const pid = this.#pid;
    if (pid === undefined) {
      this.#set('stopped');
      return;
    }
    this.#stopped = Promise.withResolvers();
    this.#set('stopping');
    signalProcess(pid, 'SIGTERM');
    using _insist = this.#options.clock.after(STOP_MS, () => signalProcess(pid, 'SIGKILL'));
    await this.#stopped.promise;
  }

  async #spawn(): Promise<void> {
    const { command, firstFlags, logFile } = this.#options;
    const log = openSync(logFile, 'a', 0o600);
    const [program, ...args] = command;
    let child: ChildProcess;
    try {
      // A process group of its own: Ctrl-C at the terminal is for the supervisor, which stops the parts in order.
      child = spawn(program, [...args, ...(this.#wasReady ? [] : firstFlags)], {
        detached: true,
        stdio: ['ignore', log, log],
      });
    } finally {
      closeSync(log);
    }
    child.unref();
    this.#pid = child.pid;
    this.#set('starting');
    child.once('error', (error) => this.#onEnd(error.message));
    child.once('exit', (code, signal) => {
      if (this.#pid === child.pid) this.#onEnd(`it ended with ${signal ?? `code ${code}`}`);
    });
    if (child.pid !== undefined) await this.#record(child.pid);
  }

  /** Where the disk is full it runs without: a supervisor after this one then ends it and starts another. */
  async #record(pid: number): Promise<void> {
    const { recordFile, settings, log } = this.#options;
    try {
      await writeRecord(recordFile, pid, settings);
    } catch (error) {
      log.warn('a part runs, and that could not be written down', { ...this.#fields(), error });
    }
  }

  #onEnd(why?: string): void {
    this.#timer?.[Symbol.dispose]();
    const wasHealthy =
      this.#readySinceMs !== undefined &&
      this.#options.clock.monotonicMs() - this.#readySinceMs > HEALTHY_MS;
    this.#attempt = wasHealthy ? 1 : this.#attempt + 1;
    this.#pid = undefined;
    this.#readySinceMs = undefined;
    if (this.#stopped) {
      void removeRecord(this.#options.recordFile).then(this.#stopped.resolve, this.#stopped.reject);
      this.#set('stopped');
      return;
    }
    this.#message ??= why;
    this.#restarts += 1;
    this.#options.log.warn('a part ended; starting it again', { ...this.#fields(), why });
    this.#set('waiting');
    this.#timer = this.#options.clock.after(backoffMs(RESTART, this.#attempt), () => {
      this.#spawn().catch((error: unknown) => this.#onEnd(String(error)));
    });
  }

  async #endForeign(pid: number): Promise<void> {
    signalProcess(pid, 'SIGKILL');
    await this.#gone(pid);
  }

  /** Resolves when the process has ended. Of one that is not our child the kernel tells us nothing, so we look. */
  async #gone(pid: number): Promise<void> {
    while (readLiveRecord(this.#options.recordFile)?.pid === pid) {
      await sleep(this.#options.clock, 5);
    }
  }

  #set(state: PartStatus['state']): void {
    this.#state = state;
    this.#options.onChange();
  }

  #fields(): { part: string; pid: number | undefined } {
    return { part: this.#options.name, pid: this.#pid };
  }
}

function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
