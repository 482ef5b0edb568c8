import { CR, LF, SPACE, TAB } from './characters.ts';
import { type FieldSection, parseFields } from './field-section.ts';
import type { HttpLimits } from './limits.ts';
import { ProtocolError } from './protocol-error.ts';

const SIZE = 0;
const EXTENSION = 1;
const SIZE_LF = 2;
const DATA = 3;
const DATA_CR = 4;
const DATA_LF = 5;
const TRAILERS = 6;
const DONE = 7;

const SEMICOLON = 0x3b;
const SIZE_DIGITS_MAX = 13;
/** RFC 9112 §7.1.1 with the quoted-string of RFC 9110 §5.6.4. */
const EXTENSIONS =
  /^(?:[ \t]*;[ \t]*[\w!#$%&'*+\-.^`|~]+(?:[ \t]*=[ \t]*(?:[\w!#$%&'*+\-.^`|~]+|"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"))?)+$/;

/** RFC 9110 §6.5.1: fields that a recipient needs before the body, or that decide framing, routing or trust. */
const NEVER_TRAILERS = new Set([
  'authorization',
  'connection',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'cookie',
  'expect',
  'forwarded',
  'host',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'set-cookie',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'knative-serving-namespace',
  'knative-serving-revision',
]);

/** RFC 9112 §7.1: one chunked body, fed in pieces cut anywhere. Framing goes, payload comes out as slices. */
export class ChunkedDecoder {
  #state = SIZE;
  #size = 0;
  #digits = 0;
  #extension = '';
  #extensionBytes = 0;
  #trailerText = '';
  readonly #limits: HttpLimits;
  readonly #onData: (data: Buffer) => void;
  trailers: FieldSection | undefined;

  constructor(limits: HttpLimits, onData: (data: Buffer) => void) {
    this.#limits = limits;
    this.#onData = onData;
  }

  get isDone(): boolean {
    return this.#state === DONE;
  }

  /** Takes `chunk` from `at`; returns the position after what belongs to the body. */
  write(chunk: Buffer, at: number): number {
    let position = at;
    while (position < chunk.length && this.#state !== DONE) {
      if (this.#state === DATA) position = this.#takeData(chunk, position);
      else if (this.#state === TRAILERS) position = this.#takeTrailers(chunk, position);
      else {
        this.#takeFraming(chunk[position] ?? 0);
        position += 1;
      }
    }
    return position;
  }

  #takeData(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#size);
    this.#size -= end - at;
    if (this.#size === 0) this.#state = DATA_CR;
    this.#onData(at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end));
    return end;
  }

  #takeFraming(code: number): void {
    switch (this.#state) {
      case SIZE:
        this.#takeSize(code);
        return;
      case EXTENSION:
        this.#takeExtension(code);
        return;
      case SIZE_LF:
        expectCode(code, LF);
        this.#state = this.#size === 0 ? TRAILERS : DATA;
        return;
      case DATA_CR:
        expectCode(code, CR);
        this.#state = DATA_LF;
        return;
      default:
        expectCode(code, LF);
        this.#state = SIZE;
        this.#digits = 0;
    }
  }

  #takeSize(code: number): void {
    const digit = hexDigit(code);
    if (digit !== -1) {
      this.#size = this.#size * 16 + digit;
      this.#digits += 1;
      // 13 digits stay below 2^53, where numbers stop being exact.
      if (this.#digits > SIZE_DIGITS_MAX) throw new ProtocolError('chunk size: too large');
    } else if (this.#digits === 0) throw new ProtocolError('chunk size: not a hexadecimal number');
    else if (code === CR) this.#state = SIZE_LF;
    else if (code === SEMICOLON || code === SPACE || code === TAB) {
      this.#state = EXTENSION;
      this.#takeExtension(code);
    } else throw new ProtocolError('chunk size: not a hexadecimal number');
  }

  #takeExtension(code: number): void {
    if (code === CR) {
      if (!EXTENSIONS.test(this.#extension)) throw new ProtocolError('chunk extension: malformed');
      this.#extension = '';
      this.#state = SIZE_LF;
      return;
    }
    this.#extension += String.fromCharCode(code);
    this.#extensionBytes += 1;
    if (
      this.#extension.length > this.#limits.chunkExtensionBytesMax ||
      this.#extensionBytes > this.#limits.chunkExtensionsBytesMax
    ) {
      throw new ProtocolError('chunk extension: too long');
    }
  }

  /** RFC 9112 §7.1.2: field lines and an empty line; the empty line alone in nearly every body there is. */
  #takeTrailers(chunk: Buffer, at: number): number {
    const before = this.#trailerText.length;
    const end = Math.min(chunk.length, at + this.#limits.trailerBytesMax + 4 - before);
    const text = this.#trailerText + chunk.toString('latin1', at, end);
    const length = trailerLength(text);
    if ((length === -1 ? text.length : length) > this.#limits.trailerBytesMax) {
      throw new ProtocolError('trailers: too large', 431);
    }
    if (length === -1) {
      this.#trailerText = text;
      return end;
    }
    if (length > 2) this.trailers = parseTrailers(text.slice(0, length), this.#limits);
    this.#state = DONE;
    return at + length - before;
  }
}

/** Where the trailer section ends; -1 where it has not yet. */
function trailerLength(text: string): number {
  if (text.startsWith('\r\n')) return 2;
  const end = text.indexOf('\r\n\r\n');
  return end === -1 ? -1 : end + 4;
}

function parseTrailers(text: string, limits: HttpLimits): FieldSection {
  const end = text.length - 2;
  const trailers = parseFields(text, { start: 0, end, fieldsMax: limits.fieldsMax });
  const forbidden = trailers.names.find((name) => NEVER_TRAILERS.has(name));
  if (forbidden) throw new ProtocolError(`trailers: ${forbidden} may not be one`);
  return trailers;
}

function expectCode(code: number, expected: number): void {
  if (code !== expected) throw new ProtocolError('chunk: not ended by CRLF');
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
