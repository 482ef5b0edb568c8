import { LF, CR } from './characters.ts';
import { ChunkedDecoder } from './chunked-decoder.ts';
import type { FieldSection } from './field-section.ts';
import { type BodyLength, CHUNKED, UNTIL_CLOSE } from './framing.ts';
import type { HttpLimits } from './limits.ts';
import { ProtocolError } from './protocol-error.ts';

const HEAD = 0;
const LENGTH = 1;
const CHUNKS = 2;
const CLOSE = 3;

const HEAD_END = Buffer.from('\r\n\r\n');
const PENDING_BYTES_MIN = 1024;

/** What a parser tells of one message: the head, then data, then the end; each from within `write` or `finish`. */
export interface MessageReader {
  /** Parses the head and returns how long the body is; throws ProtocolError. */
  onHead(text: string): BodyLength;
  /** A slice of what was given to `write`: how long it stays as it is, who called that knows. */
  onData(data: Buffer): void;
  onEnd(trailers: FieldSection | undefined): void;
}

/**
 * Messages from a byte stream cut anywhere, one after another (RFC 9112 §2.1). Holds at most one head or one chunk-size
 * line; payload passes through. After a ProtocolError the stream is lost and the parser must not be used.
 */
export class MessageParser {
  readonly #limits: HttpLimits;
  readonly #reader: MessageReader;
  #state = HEAD;
  #remaining = 0;
  #chunks: ChunkedDecoder | undefined;
  /** A head that is not whole yet: the first `#pendingLength` bytes of it. */
  #pending: Buffer | undefined;
  #pendingLength = 0;

  constructor(limits: HttpLimits, reader: MessageReader) {
    this.#limits = limits;
    this.#reader = reader;
  }

  /** Whether a message has begun and not ended. */
  get isWithinMessage(): boolean {
    return this.#state !== HEAD || this.#pendingLength > 0;
  }

  /** Takes up to the end of one message; returns what follows it, undefined where nothing does. */
  write(chunk: Buffer): Buffer | undefined {
    let at = 0;
    if (this.#state === HEAD) {
      at = this.#takeHead(chunk);
      if (at === -1) return undefined;
    }
    if (this.#state === LENGTH) at = this.#takeLength(chunk, at);
    else if (this.#state === CHUNKS) at = this.#takeChunks(chunk, at);
    else if (this.#state === CLOSE) {
      if (at < chunk.length) this.#reader.onData(at === 0 ? chunk : chunk.subarray(at));
      return undefined;
    }
    return at < chunk.length ? chunk.subarray(at) : undefined;
  }

  /** The stream has ended: ends a body that runs until close (RFC 9112 §6.3), refuses any other open message. */
  finish(): void {
    if (this.#state === CLOSE) this.#end(undefined);
    else if (this.isWithinMessage) throw new ProtocolError('message: cut off by the end of input');
  }

  #takeLength(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#remaining);
    this.#remaining -= end - at;
    if (end > at) {
      this.#reader.onData(at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end));
    }
    if (this.#remaining === 0) this.#end(undefined);
    return end;
  }

  #takeChunks(chunk: Buffer, at: number): number {
    const decoder = this.#chunks;
    if (!decoder) return at;
    const position = decoder.write(chunk, at);
    if (decoder.isDone) this.#end(decoder.trailers);
    return position;
  }

  #end(trailers: FieldSection | undefined): void {
    this.#state = HEAD;
    this.#chunks = undefined;
    this.#reader.onEnd(trailers);
  }

  /** Returns where the body begins in `chunk`, or -1 where the head is not whole. */
  #takeHead(chunk: Buffer): number {
    if (this.#pendingLength > 0) return this.#takeMoreHead(chunk);
    // RFC 9112 §2.2: one empty line before a request line is ignored.
    const start = chunk[0] === CR && chunk[1] === LF ? 2 : 0;
    const end = chunk.indexOf(HEAD_END, start);
    if (end === -1) {
      this.#checkPending(this.#keep(chunk), 0);
      return -1;
    }
    this.#checkHeadLength(end + 4);
    this.#beginBody(this.#reader.onHead(chunk.toString('latin1', start, end + 4)));
    return end + 4;
  }

  #takeMoreHead(chunk: Buffer): number {
    const before = this.#pendingLength;
    // The end of this head is within the limit or it is refused, so no more need be copied.
    const taken = Math.min(chunk.length, this.#limits.headBytesMax + 1 - before);
    const pending = this.#keep(taken === chunk.length ? chunk : chunk.subarray(0, taken));
    const start = pending[0] === CR && pending[1] === LF ? 2 : 0;
    const end = pending.indexOf(HEAD_END, Math.max(start, before - 3));
    if (end === -1) {
      this.#checkPending(pending, before);
      return -1;
    }
    this.#checkHeadLength(end + 4);
    this.#pending = undefined;
    this.#pendingLength = 0;
    this.#beginBody(this.#reader.onHead(pending.toString('latin1', start, end + 4)));
    return end + 4 - before;
  }

  #beginBody(length: BodyLength): void {
    if (length === CHUNKED) {
      this.#state = CHUNKS;
      this.#chunks = new ChunkedDecoder(this.#limits, (data) => this.#reader.onData(data));
    } else if (length === UNTIL_CLOSE) this.#state = CLOSE;
    else {
      this.#state = LENGTH;
      this.#remaining = length;
    }
  }

  /** Returns all that is kept. */
  #keep(chunk: Buffer): Buffer {
    const length = this.#pendingLength + chunk.length;
    let pending = this.#pending;
    if (!pending || pending.length < length) {
      // Doubling: a head that comes byte by byte costs twice its size in copies, not its square.
      pending = Buffer.allocUnsafeSlow(Math.max(PENDING_BYTES_MIN, length * 2));
      this.#pending?.copy(pending, 0, 0, this.#pendingLength);
      this.#pending = pending;
    }
    chunk.copy(pending, this.#pendingLength);
    this.#pendingLength = length;
    return pending.subarray(0, length);
  }

  /** A head that is not whole, `before` bytes of it checked already, must not be waited for where it will be refused. */
  #checkPending(pending: Buffer, before: number): void {
    this.#checkHeadLength(pending.length);
    for (let at = pending.indexOf(LF, before); at !== -1; at = pending.indexOf(LF, at + 1)) {
      if (pending[at - 1] !== CR) throw new ProtocolError('header: a bare LF');
    }
    const max = this.#limits.startLineBytesMax;
    const lineEnd = pending.indexOf(LF, 2);
    if ((lineEnd === -1 ? pending.length : lineEnd) > max + 2) {
      throw new ProtocolError(`start line: longer than ${max} bytes`, 414);
    }
  }

  #checkHeadLength(length: number): void {
    const max = this.#limits.headBytesMax;
    if (length > max) throw new ProtocolError(`header: larger than ${max} bytes`, 431);
  }
}
