import { inflateRawSync, constants } from 'node:zlib';
import { headerDictionary } from '#apiserver/spdy/header-dictionary.ts';
import { SpdyError } from '#apiserver/spdy/spdy-error.ts';

/** Names in lower case. */
export type SpdyHeaders = Readonly<Record<string, string>>;

/** Kubernetes' clients send three short headers a stream. */
const BLOCK_BYTES_MAX = 16 * 1024;
const HEADERS_MAX = 64;
/** How far back deflate can refer. */
const WINDOW_BYTES = 32 * 1024;
const ZLIB_HEADER_BYTES = 2;
const DICTIONARY_FLAG = 0x20;
const DICTIONARY_ID_BYTES = 4;

/**
 * Reads the header blocks of one direction of a session, in their order. They are one zlib stream, cut after a sync
 * flush: each part begins at a byte and refers back to at most the 32 KiB before it. So each is inflated alone with
 * these as its dictionary, and no state of zlib's is kept.
 */
export class HeaderReader {
  #window: Buffer = headerDictionary;
  #isFirst = true;

  /** Throws SpdyError; the blocks after that one cannot be read any more. */
  read(block: Buffer): SpdyHeaders {
    const deflated = this.#isFirst ? withoutZlibHeader(block) : block;
    this.#isFirst = false;
    const plain = this.#inflate(deflated);
    this.#window = Buffer.concat([this.#window, plain]).subarray(-WINDOW_BYTES);
    return parseHeaders(plain);
  }

  #inflate(deflated: Buffer): Buffer {
    try {
      return inflateRawSync(deflated, {
        dictionary: this.#window,
        finishFlush: constants.Z_SYNC_FLUSH,
        maxOutputLength: BLOCK_BYTES_MAX,
      });
    } catch (error) {
      throw new SpdyError('a header block cannot be inflated, or is larger than 16 KiB', {
        cause: error,
      });
    }
  }
}

/** An empty stored block. Go's reader hands out what came before it without waiting for more. */
const SYNC_FLUSH = Buffer.from([0, 0, 0, 0xff, 0xff]);

/**
 * Writes the header blocks of one direction. What a server says in them is so little that it is not compressed: deflate
 * has blocks for that, and any zlib stream may be made of them.
 */
export class HeaderWriter {
  #isFirst = true;

  write(headers: SpdyHeaders): Buffer {
    const plain = formatHeaders(headers);
    const stored = Buffer.alloc(5);
    stored.writeUInt16LE(plain.length, 1);
    stored.writeUInt16LE(plain.length ^ 0xffff, 3);
    const begin = this.#isFirst ? Buffer.from([0x78, 0x01]) : Buffer.alloc(0);
    this.#isFirst = false;
    return Buffer.concat([begin, stored, plain, SYNC_FLUSH]);
  }
}

function withoutZlibHeader(block: Buffer): Buffer {
  const [method = 0, flags = 0] = block;
  if ((method & 0x0f) !== 8 || (method * 256 + flags) % 31 !== 0)
    throw new SpdyError('the header blocks are not a zlib stream');
  const hasDictionary = (flags & DICTIONARY_FLAG) !== 0;
  return block.subarray(ZLIB_HEADER_BYTES + (hasDictionary ? DICTIONARY_ID_BYTES : 0));
}

function parseHeaders(plain: Buffer): SpdyHeaders {
  let at = 0;
  const uint32 = (): number => {
    if (at + 4 > plain.length) throw new SpdyError('a header block ends early');
    at += 4;
    return plain.readUInt32BE(at - 4);
  };
  const text = (): string => {
    const length = uint32();
    if (at + length > plain.length) throw new SpdyError('a header block ends early');
    at += length;
    return plain.toString('latin1', at - length, at);
  };
  const count = uint32();
  if (count > HEADERS_MAX) throw new SpdyError(`found ${count} headers, wanted at most 64`);
  const headers = new Map<string, string>();
  for (let left = count; left > 0; left -= 1) headers.set(text().toLowerCase(), text());
  return Object.fromEntries(headers);
}

function formatHeaders(headers: SpdyHeaders): Buffer {
  const entries = Object.entries(headers);
  const texts = entries.flat().map((text) => Buffer.from(text, 'latin1'));
  return Buffer.concat([
    uint32(entries.length),
    ...texts.flatMap((text) => [uint32(text.length), text]),
  ]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
