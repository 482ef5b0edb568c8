import { mkdirSync, rmSync } from 'node:fs';
import net from 'node:net';
import type { Clock } from '#base/clock.ts';
import { readJsonLines, writeJsonLine } from '#base/json-lines.ts';
import type { Log } from '#base/log.ts';
import { Part } from './part.ts';
import { askSupervisor } from './ask-supervisor.ts';
import { boundLogs } from './bounded-logs.ts';
import { isObjectWithType, type FromCommand, type FromPart, type PartStatus } from './report.ts';
import { pathsOf, type Settings } from './settings.ts';

/** A `knode up` that is there already, or a part that cannot start: a sentence for the person at the terminal. */
export class CannotStart extends Error {
  override readonly name = 'CannotStart';
}

export function alreadyRunning(home: string, pid: number): CannotStart {
  return new CannotStart(
    `Cannot start: knode runs already with the state in ${home} (process ${pid}); see it with 'knode status', stop it with 'knode down'`,
  );
}

/** A part that ended this often before the platform was ever ready will not be ready by trying again: about a second. */
const STARTS_MAX = 6;

export interface SupervisorOptions {
  readonly settings: Settings;
  /** Each is started when the one before it is ready; stopped in the reverse order. */
  readonly parts: readonly {
    readonly name: string;
    readonly command: readonly [string, ...string[]];
    /** For its starts until it was ready once. */
    readonly firstFlags?: readonly string[];
  }[];
  readonly clock: Clock;
  readonly log: Log;
  readonly onChange?: (parts: readonly PartStatus[]) => void;
}

/**
 * Keeps the processes of one home running. Children outlive it when it is killed; the next one adopts them by their
 * records and by their calling its socket.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #parts: readonly Part[];
  readonly #server = net.createServer((socket) => this.#onConnection(socket));
  readonly #logs: Disposable;
  readonly #ready = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<void>();
  #stopping: Promise<void> | undefined;
  #started = 0;

  private constructor(options: SupervisorOptions) {
    this.#options = options;
    const paths = pathsOf(options.settings.home);
    this.#logs = boundLogs(paths.logs, options);
    const settings = JSON.stringify(options.settings);
    this.#parts = options.parts.map(
      ({ name, command, firstFlags = [] }) =>
        new Part({
          name,
          command,
          firstFlags,
          settings,
          recordFile: paths.processRecord(name),
          logFile: paths.log(name),
          clock: options.clock,
          log: options.log,
          onChange: () => this.#onChange(),
        }),
    );
    this.#ready.promise.catch(() => undefined); // Whoever waits for it sees the error; nobody has to.
  }

  /** Throws CannotStart where this home has a supervisor. */
  static async start(options: SupervisorOptions): Promise<Supervisor> {
    const { home } = options.settings;
    const paths = pathsOf(home);
    mkdirSync(home, { recursive: true, mode: 0o700 });
    mkdirSync(paths.run, { recursive: true, mode: 0o700 });
    mkdirSync(paths.logs, { recursive: true, mode: 0o700 });
    const running = await askSupervisor(paths.supervisorSocket, { type: 'status' });
    if (running) {
      throw alreadyRunning(home, running.pid);
    }
    const supervisor = new Supervisor(options);
    // Before anybody can call: a part that is not yet known would call in vain.
    for (const part of supervisor.#parts) await part.adopt();
    await supervisor.#listen(paths.supervisorSocket);
    await supervisor.#startNext();
    return supervisor;
  }

  /** Resolves when every part is ready; rejects with CannotStart when one cannot be, or when it is stopped before. */
  async ready(): Promise<void> {
    await this.#ready.promise;
  }

  /** Resolves when it has been stopped, by whomever. */
  async ended(): Promise<void> {
    await this.#ended.promise;
  }

  /** Stops the parts in reverse order and waits for their ends; calling again waits for the same. */
  async stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    await this.#stopping;
  }

  get status(): readonly PartStatus[] {
    return this.#parts.map((part) => part.status);
  }

  async #stop(): Promise<void> {
    this.#ready.reject(new CannotStart('Cannot start: it was told to stop before it was ready'));
    for (const part of this.#parts.toReversed()) await part.stop();
    this.#server.close();
    this.#logs[Symbol.dispose]();
    rmSync(pathsOf(this.#options.settings.home).supervisorSocket, { force: true });
    this.#ended.resolve();
  }

  async #listen(socket: string): Promise<void> {
    rmSync(socket, { force: true }); // Nobody answered there: what is left of a killed supervisor.
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once('error', reject);
    this.#server.listen(socket, resolve);
    await promise;
  }

  #onConnection(socket: net.Socket): void {
    let part: Part | undefined;
    socket.on('error', () => undefined); // 'close' follows; a broken line is not the platform's trouble.
    readJsonLines(socket, (value) => {
      if (!isObjectWithType(value)) return;
      // The socket is 0600 under a 0700 folder: only our own processes write here.
      const message = value as FromPart | FromCommand;
      switch (message.type) {
        case 'hello':
          part = this.#parts.find(
            (candidate) =>
              candidate.status.name === message.name && candidate.connected(message.pid, socket),
          );
          break;
        case 'ready':
          part?.ready();
          break;
        case 'failed':
          part?.failed(message.message);
          this.#ready.reject(new CannotStart(message.message));
          break;
        case 'status':
          writeJsonLine(socket, { type: 'status', pid: process.pid, parts: this.status });
          break;
        case 'stop':
          void this.stop().then(() => {
            writeJsonLine(socket, { type: 'status', pid: process.pid, parts: this.status });
            socket.end();
          });
          break;
      }
    });
  }

  #onChange(): void {
    const { status } = this;
    this.#options.onChange?.(status);
    const failing = status.find((part) => part.restarts >= STARTS_MAX);
    if (failing) this.#ready.reject(this.#keepsEnding(failing));
    if (status.every((part) => part.state === 'ready')) this.#ready.resolve();
    else this.#startNext().catch((error: unknown) => this.#ready.reject(error));
  }

  #keepsEnding({ name, restarts, message }: PartStatus): CannotStart {
    const log = pathsOf(this.#options.settings.home).log(name);
    return new CannotStart(
      `Cannot start: ${name} ended ${restarts} times before it was ready: ${message ?? 'it does not say why'}; ${log} says more`,
    );
  }

  /** Starts the first part that was never started, once all before it are ready; adopted ones are passed over. */
  async #startNext(): Promise<void> {
    const next = this.#parts[this.#started];
    const isTime = this.status.slice(0, this.#started).every((part) => part.state === 'ready');
    if (!next || !isTime || this.#stopping || !this.#server.listening) return;
    this.#started += 1;
    await next.start();
    await this.#startNext();
  }
}
