import type { Duplex } from 'node:stream';
import {
  controlFrame,
  dataHead,
  FLAG_FIN,
  FLAG_UNIDIRECTIONAL,
  FrameReader,
  frameTypes,
  type Frame,
} from '#apiserver/spdy/frames.ts';
import { HeaderReader, HeaderWriter, type SpdyHeaders } from '#apiserver/spdy/header-block.ts';
import { SpdyError } from '#apiserver/spdy/spdy-error.ts';
import { SpdyStream } from '#apiserver/spdy/spdy-stream.ts';

/** A port-forward uses two for each connection. */
const STREAMS_MAX = 1024;
const REFUSED_STREAM = 3;
const CANCEL = 5;

/**
 * The server's side of SPDY/3.1 over a connection, as far as Kubernetes' clients speak it: they open all streams, and
 * neither they nor Kubernetes' own servers use its flow control. So a stream whose reader is slow holds up the others of
 * its session, and costs no memory for it.
 */
export class SpdySession {
  readonly #transport: Duplex;
  readonly #frames = new FrameReader();
  readonly #headersIn = new HeaderReader();
  readonly #headersOut = new HeaderWriter();
  readonly #streams = new Map<number, SpdyStream>();
  readonly #onStream: (stream: SpdyStream) => void;
  #lastId = 0;

  constructor(transport: Duplex, onStream: (stream: SpdyStream) => void) {
    this.#transport = transport;
    this.#onStream = onStream;
  }

  /** Resolves when the connection has ended, and all streams with it. Throws SpdyError for what is not the protocol. */
  async run(): Promise<void> {
    try {
      for await (const chunk of this.#transport as AsyncIterable<Buffer>) {
        for (const frame of this.#frames.read(chunk)) await this.#handle(frame);
      }
    } finally {
      for (const stream of this.#streams.values()) stream.abandon();
      this.#transport.destroy();
    }
  }

  /** Writes something, so that the death of a peer is noticed which nobody reads from. */
  ping(): void {
    const id = Buffer.alloc(4);
    // A server's pings have even numbers (§2.6.5); the answers are all the same to us.
    id.writeUInt32BE(2);
    this.#send(controlFrame(frameTypes.ping, id));
  }

  async #handle(frame: Frame): Promise<void> {
    if (frame.kind === 'data') {
      const stream = this.#streams.get(frame.stream);
      await stream?.receive(frame.bytes);
      if (frame.isLast) stream?.receiveEnd();
      return;
    }
    const { type, flags, body } = frame;
    switch (type) {
      case frameTypes.synStream:
        this.#open(numberAt(body, 0), { flags, headers: this.#headersIn.read(body.subarray(10)) });
        return;
      // Their headers mean nothing here, but the compression of the next ones builds on them.
      case frameTypes.synReply:
      case frameTypes.headers:
        this.#headersIn.read(body.subarray(4));
        return;
      case frameTypes.rstStream:
        this.#streams.get(numberAt(body, 0))?.abandon();
        return;
      case frameTypes.ping:
        if (numberAt(body, 0) % 2 === 1) this.#send(controlFrame(type, body));
        return;
      default:
      // SETTINGS, GOAWAY, WINDOW_UPDATE and what is unknown change nothing (§2.6.1).
    }
  }

  #open(id: number, { flags, headers }: { flags: number; headers: SpdyHeaders }): void {
    if (id % 2 === 0 || id <= this.#lastId)
      throw new SpdyError(`found a new stream ${id}, wanted an odd number above ${this.#lastId}`);
    this.#lastId = id;
    if (this.#streams.size >= STREAMS_MAX) {
      this.#reset(id, REFUSED_STREAM);
      return;
    }
    const stream = new SpdyStream(id, headers, {
      data: (of, bytes, done) => this.#sendData(dataHead(of, bytes.length), bytes, done),
      fin: (of, done) => this.#send(dataHead(of, 0, FLAG_FIN), done),
      reset: (of) => this.#reset(of, CANCEL),
      closed: (of) => void this.#streams.delete(of),
    });
    // What goes wrong is seen by the stream's end; without a listener it would end the process.
    stream.on('error', () => undefined);
    this.#streams.set(id, stream);
    const number = Buffer.alloc(4);
    number.writeUInt32BE(id);
    this.#send(
      controlFrame(frameTypes.synReply, Buffer.concat([number, this.#headersOut.write({})])),
    );
    if (flags & FLAG_FIN) stream.receiveEnd();
    if (flags & FLAG_UNIDIRECTIONAL) stream.end();
    this.#onStream(stream);
  }

  #reset(id: number, status: number): void {
    const body = Buffer.alloc(8);
    body.writeUInt32BE(id, 0);
    body.writeUInt32BE(status, 4);
    this.#send(controlFrame(frameTypes.rstStream, body));
  }

  #send(bytes: Buffer, done?: (error?: Error | null) => void): void {
    if (this.#transport.writable) this.#transport.write(bytes, done);
    else done?.(new SpdyError('the connection has ended'));
  }

  #sendData(head: Buffer, bytes: Uint8Array, done: (error?: Error | null) => void): void {
    this.#transport.cork();
    this.#send(head);
    this.#send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), done);
    this.#transport.uncork();
  }
}

function numberAt(body: Buffer, at: number): number {
  if (body.length < at + 4) throw new SpdyError('a control frame ends early');
  return body.readUInt32BE(at) & 0x7fffffff;
}
