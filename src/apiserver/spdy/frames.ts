import { SpdyError } from '#apiserver/spdy/spdy-error.ts';

/** draft-mbelshe-httpbis-spdy-00 §2.6. */
export const frameTypes = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  headers: 8,
  windowUpdate: 9,
} as const;
export const FLAG_FIN = 0x01;
export const FLAG_UNIDIRECTIONAL = 0x02;

export type Frame =
  | {
      readonly kind: 'control';
      readonly type: number;
      readonly flags: number;
      readonly body: Buffer;
    }
  /** A piece of a data frame, as it came; `isLast` with the last one of a frame that ends the stream. */
  | {
      readonly kind: 'data';
      readonly stream: number;
      readonly bytes: Buffer;
      readonly isLast: boolean;
    };

const HEAD_BYTES = 8;
const CONTROL_BIT = 0x80000000;
const VERSION = 3;
/** Control frames are read whole; a header block of Kubernetes' clients has less than 100 bytes. */
const CONTROL_BYTES_MAX = 16 * 1024;
const DATA_BYTES_MAX = 0xffffff;

/** Cuts what comes over the wire into frames. Data is handed on as it comes, so it costs no memory however long it is. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);
  #data: { readonly stream: number; readonly isLast: boolean; left: number } | undefined;

  /** Throws SpdyError; nothing can be read after that. */
  *read(chunk: Buffer): Generator<Frame, void> {
    let rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    for (;;) {
      const [frame, after] = this.#next(rest);
      rest = after;
      this.#rest = rest;
      if (!frame) return;
      yield frame;
    }
  }

  #next(bytes: Buffer): readonly [Frame | undefined, Buffer] {
    if (this.#data) return this.#piece(this.#data, bytes);
    if (bytes.length < HEAD_BYTES) return [undefined, bytes];
    const word = bytes.readUInt32BE(0);
    const flags = bytes.readUInt8(4);
    const length = bytes.readUIntBE(5, 3);
    if (word < CONTROL_BIT) {
      this.#data = { stream: word, isLast: (flags & FLAG_FIN) !== 0, left: length };
      return this.#piece(this.#data, bytes.subarray(HEAD_BYTES));
    }
    const version = (word >>> 16) & 0x7fff;
    if (version !== VERSION) throw new SpdyError(`found SPDY version ${version}, wanted 3`);
    if (length > CONTROL_BYTES_MAX)
      throw new SpdyError(`found a control frame of ${length} bytes, wanted at most 16 KiB`);
    if (bytes.length < HEAD_BYTES + length) return [undefined, bytes];
    const body = bytes.subarray(HEAD_BYTES, HEAD_BYTES + length);
    const frame: Frame = { kind: 'control', type: word & 0xffff, flags, body };
    return [frame, bytes.subarray(HEAD_BYTES + length)];
  }

  #piece(
    data: { readonly stream: number; readonly isLast: boolean; left: number },
    bytes: Buffer,
  ): readonly [Frame | undefined, Buffer] {
    if (bytes.length === 0 && data.left > 0) return [undefined, bytes];
    const piece = bytes.subarray(0, data.left);
    data.left -= piece.length;
    const isWhole = data.left === 0;
    if (isWhole) this.#data = undefined;
    const isLast = isWhole && data.isLast;
    const frame: Frame = { kind: 'data', stream: data.stream, bytes: piece, isLast };
    return [frame, bytes.subarray(piece.length)];
  }
}

export function controlFrame(type: number, body: Buffer, flags = 0): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32BE(CONTROL_BIT + VERSION * 0x10000 + type);
  head.writeUInt8(flags, 4);
  head.writeUIntBE(body.length, 5, 3);
  return Buffer.concat([head, body]);
}

/** The first 8 bytes of a data frame; its `length` bytes follow, at most 16 MiB − 1. */
export function dataHead(stream: number, length: number, flags = 0): Buffer {
  if (length > DATA_BYTES_MAX) throw new RangeError(`a data frame of ${length} bytes`);
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32BE(stream);
  head.writeUInt8(flags, 4);
  head.writeUIntBE(length, 5, 3);
  return head;
}
