import { Duplex } from 'node:stream';
import type { SpdyHeaders } from '#apiserver/spdy/header-block.ts';

/** What a stream needs of its session. */
interface Wire {
  /** Calls back once the transport has taken it. */
  data(stream: number, bytes: Uint8Array, done: (error?: Error | null) => void): void;
  fin(stream: number, done: (error?: Error | null) => void): void;
  reset(stream: number): void;
  /** Both sides have ended. */
  closed(stream: number): void;
}

/** One stream of a session, opened by the peer. Half-closes either way; destroying it before its end resets it. */
export class SpdyStream extends Duplex {
  readonly id: number;
  readonly headers: SpdyHeaders;
  readonly #wire: Wire;
  #isReset = false;
  /** The peer has said all it had to say. */
  #hasEnd = false;
  #wanted: (() => void) | undefined;

  constructor(id: number, headers: SpdyHeaders, wire: Wire) {
    super({ allowHalfOpen: true });
    this.id = id;
    this.headers = headers;
    this.#wire = wire;
  }

  /** What the peer sent; resolves when more may come. */
  async receive(bytes: Buffer): Promise<void> {
    if (bytes.length === 0 || this.destroyed || this.#hasEnd || this.push(bytes)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wanted = resolve;
    await promise;
  }

  receiveEnd(): void {
    if (this.destroyed || this.#hasEnd) return;
    this.#hasEnd = true;
    this.push(null);
  }

  /** The peer has reset it, or the session is over: nothing is sent for it any more. */
  abandon(): void {
    this.#isReset = true;
    this.destroy();
  }

  override _read(): void {
    this.#more();
  }

  override _write(
    chunk: Buffer,
    _encoding: BufferEncoding,
    done: (error?: Error | null) => void,
  ): void {
    this.#wire.data(this.id, chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#wire.fin(this.id, done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#more();
    const hasEnded = this.readableEnded && this.writableFinished;
    if (!this.#isReset && !hasEnded) this.#wire.reset(this.id);
    this.#wire.closed(this.id);
    done(error);
  }

  #more(): void {
    const wanted = this.#wanted;
    this.#wanted = undefined;
    wanted?.();
  }
}
