import type { Socket } from 'node:net';
import type { Clock } from '#base/clock.ts';
import { defaultLimits } from '../http1/limits.ts';
import { PodConnection, type PodConnectionOptions } from './pod-connection.ts';

const IDLE_CONNECTIONS_MAX = 100;
const IDLE_MS = 60_000;
/** Taken off what a pod says its keep-alive time is: the end of it and our request must not meet on the way. */
const KEEP_ALIVE_MARGIN_MS = 1_000;

/** The connections to one pod. Idle ones are kept, the last used taken first, so that those not needed grow old. */
export class ConnectionPool implements Disposable {
  readonly #clock: Clock;
  readonly #idle: PodConnection[] = [];
  readonly #options: PodConnectionOptions;
  #sweep: Disposable | undefined;
  #isDisposed = false;

  constructor({ address, port, clock }: { address: string; port: number; clock: Clock }) {
    this.#clock = clock;
    const onClosed = (connection: PodConnection): void => this.#forget(connection);
    this.#options = { address, port, clock, limits: defaultLimits, onClosed };
  }

  /** One that is idle, or a new one that is still connecting. */
  take(): PodConnection {
    const nowMs = this.#clock.monotonicMs();
    for (let idle = this.#idle.pop(); idle; idle = this.#idle.pop()) {
      if (idle.isOpen && idle.usableUntilMs > nowMs) return idle;
      idle.destroy();
    }
    return this.connect();
  }

  /** A new one, whatever is idle; only one that `mayUpgrade` can be given to another protocol. */
  connect(mayUpgrade = false): PodConnection {
    return PodConnection.open(this.#options, mayUpgrade);
  }

  /** Keeps one whose exchange is over. `keepAlive` is the pod's Keep-Alive field. */
  put(connection: PodConnection, keepAlive?: string): void {
    connection.release();
    if (this.#isDisposed || this.#idle.length >= IDLE_CONNECTIONS_MAX) {
      connection.destroy();
      return;
    }
    connection.usableUntilMs = this.#clock.monotonicMs() + idleMs(keepAlive);
    this.#idle.push(connection);
    this.#sweep ??= this.#clock.after(IDLE_MS, () => this.#closeOld());
  }

  /** Keeps a connection that somebody made to see whether the pod answers. */
  adopt(socket: Socket): void {
    const connection = PodConnection.adopt(socket, this.#options);
    this.put(connection);
    // It has carried nothing: what fails on it has not been seen by the pod's program any less than on a new one.
    connection.isReused = false;
  }

  /** Closes idle connections now and the others when their exchange ends. */
  [Symbol.dispose](): void {
    this.#isDisposed = true;
    this.#sweep?.[Symbol.dispose]();
    for (const connection of this.#idle.splice(0)) connection.destroy();
  }

  #forget(connection: PodConnection): void {
    const index = this.#idle.indexOf(connection);
    if (index !== -1) this.#idle.splice(index, 1);
  }

  #closeOld(): void {
    const nowMs = this.#clock.monotonicMs();
    const old = this.#idle.filter((connection) => connection.usableUntilMs <= nowMs);
    for (const connection of old) connection.destroy();
    const isEmpty = this.#idle.length === old.length;
    this.#sweep = isEmpty ? undefined : this.#clock.after(IDLE_MS, () => this.#closeOld());
  }
}

/** `timeout=5` of a Keep-Alive field, which many servers send and then close by. */
function idleMs(keepAlive: string | undefined): number {
  const seconds =
    keepAlive === undefined ? undefined : /\btimeout=(\d{1,6})\b/i.exec(keepAlive)?.[1];
  if (seconds === undefined) return IDLE_MS;
  return Math.max(0, Math.min(IDLE_MS, Number(seconds) * 1_000 - KEEP_ALIVE_MARGIN_MS));
}
