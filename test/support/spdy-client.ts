import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { constants, createDeflate, createInflate, type Deflate, type Inflate } from 'node:zlib';
import { headerDictionary } from '#apiserver/spdy/header-dictionary.ts';
import {
  controlFrame,
  dataHead,
  FLAG_FIN,
  FrameReader,
  frameTypes,
} from '#apiserver/spdy/frames.ts';

/** What a client received of one stream. */
interface ClientStream {
  readonly id: number;
  bytes: Buffer;
  hasEnded: boolean;
  isReset: boolean;
  isAnswered: boolean;
}

/** A client of SPDY/3.1 as spdystream is one: real zlib streams with sync flushes, no flow control. */
export class SpdyClient implements Disposable {
  readonly #transport: Duplex;
  readonly #deflate: Deflate = createDeflate({
    dictionary: headerDictionary,
    flush: constants.Z_SYNC_FLUSH,
  });
  readonly #inflate: Inflate = createInflate({ dictionary: headerDictionary });
  readonly #streams = new Map<number, ClientStream>();
  readonly #change = new EventTarget();
  #lastId = -1;
  pings = 0;

  constructor(transport: Duplex) {
    this.#transport = transport;
    const frames = new FrameReader();
    transport.on('error', () => undefined);
    transport.on('data', (chunk: Buffer) => {
      for (const frame of frames.read(chunk)) this.#receive(frame);
      this.#change.dispatchEvent(new Event('change'));
    });
  }

  async open(headers: Readonly<Record<string, string>>): Promise<ClientStream> {
    this.#lastId += 2;
    const id = this.#lastId;
    const stream = {
      id,
      bytes: Buffer.alloc(0),
      hasEnded: false,
      isReset: false,
      isAnswered: false,
    };
    this.#streams.set(id, stream);
    const body = Buffer.alloc(10);
    body.writeUInt32BE(id);
    const block = await this.#compress(headers);
    this.write(controlFrame(frameTypes.synStream, Buffer.concat([body, block])));
    await this.until(() => stream.isAnswered || stream.isReset);
    return stream;
  }

  write(bytes: Buffer): void {
    this.#transport.write(bytes);
  }

  send({ id }: ClientStream, text: string | Buffer): void {
    const bytes = Buffer.from(text as string);
    this.write(Buffer.concat([dataHead(id, bytes.length), bytes]));
  }

  end({ id }: ClientStream): void {
    this.write(dataHead(id, 0, FLAG_FIN));
  }

  reset({ id }: ClientStream): void {
    const body = Buffer.alloc(8);
    body.writeUInt32BE(id);
    this.write(controlFrame(frameTypes.rstStream, body));
  }

  ping(id: number): void {
    const body = Buffer.alloc(4);
    body.writeUInt32BE(id);
    this.write(controlFrame(frameTypes.ping, body));
  }

  async until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) await once(this.#change, 'change');
  }

  [Symbol.dispose](): void {
    this.#transport.destroy();
    this.#deflate.close();
    this.#inflate.close();
  }

  async #compress(headers: Readonly<Record<string, string>>): Promise<Buffer> {
    const entries = Object.entries(headers);
    const uint32 = (value: number): Buffer => {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(value);
      return bytes;
    };
    const texts = entries.flat().flatMap((text) => [uint32(text.length), Buffer.from(text)]);
    const { promise, resolve } = Promise.withResolvers<unknown>();
    this.#deflate.write(Buffer.concat([uint32(entries.length), ...texts]), resolve);
    await promise;
    return this.#deflate.read() as Buffer;
  }

  #receive(frame: ReturnType<FrameReader['read']> extends Generator<infer F> ? F : never): void {
    if (frame.kind === 'data') {
      const stream = this.#streams.get(frame.stream);
      if (!stream) return;
      stream.bytes = Buffer.concat([stream.bytes, frame.bytes]);
      if (frame.isLast) stream.hasEnded = true;
      return;
    }
    if (frame.type === frameTypes.ping) this.pings += 1;
    const stream = this.#streams.get(frame.body.readUInt32BE(0));
    if (!stream) return;
    if (frame.type === frameTypes.rstStream) stream.isReset = true;
    // An answer counts only when a real zlib could read its headers: a count of none, four zero bytes.
    if (frame.type === frameTypes.synReply) {
      this.#inflate.write(frame.body.subarray(4), () => {
        const plain = this.#inflate.read() as Buffer | null;
        stream.isAnswered = plain?.length === 4 && plain.readUInt32BE(0) === 0;
        this.#change.dispatchEvent(new Event('change'));
      });
    }
  }
}
