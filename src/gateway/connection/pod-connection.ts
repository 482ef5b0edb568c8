import { createConnection, type Socket } from 'node:net';
import type { Clock } from '#base/clock.ts';
import type { FieldSection } from '../http1/field-section.ts';
import type { HttpLimits } from '../http1/limits.ts';
import { MessageParser, type MessageReader } from '../http1/message-parser.ts';
import { parseResponseHead, type ResponseHead } from '../http1/response-head.ts';
import { liveness } from './liveness.ts';
import { SocketWriter } from './socket-writer.ts';

/** Whoever sent a request on a connection and gets what comes back. */
export interface ResponseReader {
  /** The pod took the connection: what is written from now on may reach it. Not called on a connection used before. */
  onConnected(): void;
  /** Interim ones (status 100 to 199) too. */
  onResponse(head: ResponseHead): void;
  /** `data` is read over once this returns: what is kept must be copied. */
  onResponseData(data: Buffer): void;
  onResponseEnd(trailers: FieldSection | undefined): void;
  /** All that came together has been told. */
  onResponsePause(): void;
  onPodDrain(): void;
  /** The connection is lost, and with it what was not answered; last of all calls. */
  onPodFailure(error: Error): void;
}

export interface PodConnectionOptions {
  readonly address: string;
  readonly port: number;
  readonly limits: HttpLimits;
  readonly clock: Clock;
  readonly onClosed: (connection: PodConnection) => void;
}

/** Pods are on this machine or a hop away: what has not answered by then will not. */
const CONNECT_TIMEOUT_MS = 5_000;
/** What comes on any of the connections is read into the same memory, and dealt with before the next read: one for each read costs a twentieth of a request. */
const READ_BUFFER = Buffer.allocUnsafeSlow(64 * 1024);

/** A connection to a pod: one request at a time, many after another. */
export class PodConnection implements MessageReader {
  readonly writer: SocketWriter;
  /** Until when it may be used again, in the clock's monotonic time; only for the pool. */
  usableUntilMs = 0;
  /** A response has been read whole from it before: the pod may be closing it just now. */
  isReused = false;
  isConnected: boolean;
  readonly #socket: Socket;
  readonly #options: PodConnectionOptions;
  readonly #parser: MessageParser;
  #reader: ResponseReader | undefined;
  #method = '';
  #isAnswered = false;
  #isDetached = false;

  private constructor(socket: Socket, options: PodConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.isConnected = !socket.connecting;
    this.writer = new SocketWriter(socket);
    this.#parser = new MessageParser(options.limits, this);
    if (socket.connecting) this.#awaitConnect();
    socket.on('data', this.#readSocket);
    socket.on('drain', this.#socketDrained);
    socket.on('end', this.#socketEnded);
    socket.on('error', this.#fail);
    socket.on('close', this.#socketClosed);
  }

  /** One that `mayUpgrade` can be detached. */
  static open(options: PodConnectionOptions, mayUpgrade = false): PodConnection {
    const { address: host, port } = options;
    const target = { ...liveness, host, port, noDelay: true };
    if (mayUpgrade) return new PodConnection(createConnection(target), options);
    const callback = (bytes: number): boolean => {
      connection.#readSocket(READ_BUFFER.subarray(0, bytes));
      return true;
    };
    const onread = { buffer: READ_BUFFER, callback };
    const connection = new PodConnection(createConnection({ ...target, onread }), options);
    return connection;
  }

  /** Takes over a connection that somebody made to see whether the pod answers. */
  static adopt(socket: Socket, options: PodConnectionOptions): PodConnection {
    return new PodConnection(socket, options);
  }

  /** False as soon as either side has ended it, which is before its `onClosed` is called. */
  get isOpen(): boolean {
    return !this.#socket.destroyed;
  }

  /** The one that is told of the response to the request that is written now. */
  begin(reader: ResponseReader, method: string): void {
    this.#reader = reader;
    this.#method = method;
    this.#isAnswered = false;
  }

  /** The request and its response are done; the connection can carry another. */
  release(): void {
    this.#reader = undefined;
    this.isReused = true;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Gives the bare socket away, after a 101; it was opened for that. */
  detach(): Socket {
    this.#isDetached = true;
    this.#reader = undefined;
    this.#socket.off('data', this.#readSocket);
    this.#socket.off('drain', this.#socketDrained);
    this.#socket.off('end', this.#socketEnded);
    this.#socket.off('error', this.#fail);
    return this.#socket;
  }

  /** Nobody is told. */
  destroy(): void {
    this.#reader = undefined;
    this.#socket.destroy();
  }

  onHead(text: string): number {
    const head = parseResponseHead(text, this.#options.limits, this.#method);
    this.#reader?.onResponse(head);
    this.#isAnswered = head.status >= 200;
    return head.bodyLength;
  }

  onData(data: Buffer): void {
    this.#reader?.onResponseData(data);
  }

  onEnd(trailers: FieldSection | undefined): void {
    if (this.#isAnswered) this.#reader?.onResponseEnd(trailers);
  }

  #awaitConnect(): void {
    const timer = this.#options.clock.after(CONNECT_TIMEOUT_MS, () =>
      this.#fail(new Error(`not connected after ${CONNECT_TIMEOUT_MS} ms`)),
    );
    this.#socket.once('connect', () => {
      timer[Symbol.dispose]();
      this.isConnected = true;
      this.#reader?.onConnected();
    });
    this.#socket.once('close', () => timer[Symbol.dispose]());
  }

  readonly #readSocket = (chunk: Buffer): void => {
    const reader = this.#reader;
    try {
      let next: Buffer | undefined = chunk;
      // Once the response is whole the next request may have begun, with a reader of its own: what is left is not for it.
      while (next && reader && this.#reader === reader) next = this.#parser.write(next);
      if (next && this.#isDetached) this.#socket.unshift(next);
      // RFC 9112 §9.2: what comes unasked belongs to no request; nothing on this connection can be trusted after it.
      else if (next) this.#fail(new Error('the pod sent bytes that belong to no response'));
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    reader?.onResponsePause();
  };

  readonly #socketDrained = (): void => this.#reader?.onPodDrain();

  readonly #socketEnded = (): void => {
    const reader = this.#reader;
    try {
      if (reader) this.#parser.finish();
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    reader?.onResponsePause();
    this.#fail(new Error('the pod closed the connection'));
  };

  readonly #socketClosed = (): void => {
    this.#options.onClosed(this);
    this.#fail(new Error('the connection was closed'));
  };

  readonly #fail = (error: Error): void => {
    const reader = this.#reader;
    this.destroy();
    reader?.onPodFailure(error);
  };
}
