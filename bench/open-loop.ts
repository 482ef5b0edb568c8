import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { sleep, systemClock } from '#base/clock.ts';

/** Where requests go: an address, and the host they name. */
export interface WarmTarget {
  readonly address: string;
  readonly port: number;
  readonly host: string;
}

export interface OpenLoad {
  readonly perSecond: number;
  readonly seconds: number;
  /** Each carries one request at a time; a request that finds none free waits for one. */
  readonly connections: number;
}

const TICK_MS = 1;
/** What is not answered by then, after the last one was due, counts as late as that. */
const GRACE_MS = 5_000;

/**
 * Milliseconds from when each request was due to its answer, whether it could be sent then or not: requests come at a rate
 * of their own, as from people. One that was never sent, or never answered, counts with the time until the end. Rejects
 * where an answer is not 200.
 */
export async function openLoopDelays(
  target: WarmTarget,
  load: OpenLoad,
): Promise<readonly number[]> {
  const callers = await Promise.all(
    Array.from({ length: load.connections }, async () => await Caller.open(target)),
  );
  const startMs = performance.now();
  const count = load.perSecond * load.seconds;
  const dueMs = (at: number): number => startMs + (at * 1_000) / load.perSecond;
  const delaysMs: number[] = [];
  const late = startMs + load.seconds * 1_000 + GRACE_MS;
  let next = 0;
  try {
    while (delaysMs.length < count && performance.now() < late) {
      for (const caller of callers) {
        if (next >= count || dueMs(next) > performance.now()) break;
        if (caller.isFree) caller.ask(dueMs(next++), delaysMs);
      }
      await sleep(systemClock, TICK_MS);
      for (const caller of callers) if (caller.failure) throw caller.failure;
    }
  } finally {
    for (const caller of callers) caller.close();
  }
  const endMs = performance.now();
  const unanswered = callers.flatMap(({ askedMs }) => (askedMs === undefined ? [] : [askedMs]));
  const unsent = Array.from({ length: count - next }, (_, at) => dueMs(next + at));
  return [...delaysMs, ...[...unanswered, ...unsent].map((ms) => endMs - ms)];
}

/** One connection, kept alive. */
class Caller {
  /** When the request that it carries was due. */
  askedMs: number | undefined;
  failure: Error | undefined;
  readonly #socket: Socket;
  readonly #request: string;
  #text = '';
  #delaysMs: number[] = [];

  private constructor(socket: Socket, host: string) {
    this.#socket = socket;
    this.#request = `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => this.#take(chunk));
    socket.on('error', (error) => {
      this.failure = error;
    });
    socket.on('end', () => {
      this.failure = new Error('the connection was closed before its last answer');
    });
  }

  static async open({ address, port, host }: WarmTarget): Promise<Caller> {
    const socket = createConnection({ host: address, port, noDelay: true });
    await once(socket, 'connect');
    return new Caller(socket, host);
  }

  get isFree(): boolean {
    return this.askedMs === undefined;
  }

  ask(dueMs: number, delaysMs: number[]): void {
    this.askedMs = dueMs;
    this.#delaysMs = delaysMs;
    this.#socket.write(this.#request);
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(chunk: string): void {
    this.#text += chunk;
    const headEnd = this.#text.indexOf('\r\n\r\n');
    if (headEnd === -1) return;
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(this.#text)?.[1]);
    if (this.#text.length < headEnd + 4 + length) return;
    try {
      assert.match(this.#text, /^HTTP\/1\.1 200 /);
    } catch (error) {
      this.failure = error instanceof Error ? error : new Error(String(error));
    }
    this.#text = '';
    this.#delaysMs.push(performance.now() - (this.askedMs ?? Number.NaN));
    this.askedMs = undefined;
  }
}
