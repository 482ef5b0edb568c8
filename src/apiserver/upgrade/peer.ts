import type { Duplex } from 'node:stream';
import type { Clock } from '#base/clock.ts';
import { SpdyError } from '#apiserver/spdy/spdy-error.ts';

/** Whoever is at the other end of a connection that was upgraded. Dispose to cut it off. */
export class Peer implements AsyncDisposable {
  readonly #transport: Duplex;
  readonly #ended: Promise<unknown>;
  readonly #gone = new AbortController();

  /** `running` settles when the connection has ended; `closing` ends it. */
  constructor(transport: Duplex, running: Promise<void>, closing: AbortSignal) {
    this.#transport = transport;
    // What goes wrong is seen by its end; without a listener it would end the process.
    transport.on('error', () => undefined);
    const cut = (): unknown => transport.destroy();
    if (closing.aborted) cut();
    else closing.addEventListener('abort', cut, { once: true });
    const settled = running.then(
      () => undefined,
      (error: unknown) => error,
    );
    this.#ended = settled.finally(() => {
      closing.removeEventListener('abort', cut);
      this.#gone.abort();
    });
  }

  /** Aborted once it has gone. */
  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  /** Resolves once it has gone, however. Throws SpdyError where it broke the protocol. */
  async gone(): Promise<void> {
    const error = await this.#ended;
    if (error instanceof SpdyError) throw error;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#transport.destroy();
    await this.#ended;
  }
}

/**
 * A client that was killed answers the next packet with a reset. Nothing else tells of it while nobody reads what it
 * sent before, because the program does not.
 */
const PING_MS = 10_000;

export function keepAlive(clock: Clock, ping: () => void): Disposable {
  let timer = clock.after(PING_MS, again);
  function again(): void {
    ping();
    timer = clock.after(PING_MS, again);
  }
  return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
}
