import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { CHUNKED } from '../http1/framing.ts';
import type { FieldSection } from '../http1/field-section.ts';
import type { RequestHead } from '../http1/request-head.ts';
import { type BodyFraming, writeBody, writeBodyEnd } from './body-writer.ts';
import type { ReadAhead } from './read-ahead.ts';
import type { SocketWriter } from './socket-writer.ts';

/** Which of the gateway's doors a request came in by; it decides what of the request is believed. */
export type Door = 'public' | 'internal' | 'backend';

export type Scheme = 'http' | 'https';

/** Whoever answers an exchange, told of what the client does meanwhile. */
export interface Answerer {
  onRequestData(data: Buffer): void;
  onRequestEnd(trailers: FieldSection | undefined): void;
  /** The client takes more again after `isFull`. */
  onClientDrain(): void;
  /** The client went before its answer was whole, or was told that it cannot be served: nothing more can be said. Called at most once, and last. */
  onClientGone(): void;
}

/** What an exchange needs of the connection it is on. */
export interface ExchangeConnection {
  readonly door: Door;
  readonly scheme: Scheme;
  /** Where clients of this connection find the same over HTTPS. */
  readonly httpsPort: number;
  readonly peerAddress: string;
  readonly peerPort: number;
  readonly writer: SocketWriter;
  readonly readAhead: ReadAhead;
  /** Whether the connection will carry no further exchange. */
  readonly isClosing: boolean;
  /** The exchange wants more or less of the request now: look at `wantsBody`. */
  onAppetiteChanged(): void;
  /** The client takes less than is written to it, which must not last. */
  onFull(): void;
  onResponseEnded(exchange: Exchange): void;
  /** Gives the bare socket away, with what was read beyond the request. */
  detach(): { socket: Socket; rest: Buffer | undefined };
  destroy(): void;
}

/** One request of a client and the means to answer it, once. */
export class Exchange {
  readonly head: RequestHead;
  readonly connection: ExchangeConnection;
  /** The connection must end after this response. */
  #mustClose = false;
  #answerer: Answerer | undefined;
  #isBodyStarted = false;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #trailers: FieldSection | undefined;
  #isPaused = false;
  #framing: BodyFraming = 'raw';
  /** Of what is answered, set by whoever starts the response; 0 before that. */
  status = 0;
  /** Of the bodies, as far as they came and went. */
  requestBytes = 0;
  responseBytes = 0;
  isRequestEnded = false;
  isResponseStarted = false;
  isResponseEnded = false;

  constructor(head: RequestHead, connection: ExchangeConnection) {
    this.head = head;
    this.connection = connection;
  }

  /** Whether the connection should read more of this request's body now. */
  get wantsBody(): boolean {
    if (this.isResponseEnded) return true;
    if (this.#isBodyStarted) return !this.#isPaused;
    // Held small bodies are read whole, so that a client that goes away meanwhile is noticed; others wait in the socket.
    const { bodyLength } = this.head;
    const isSmall = bodyLength !== CHUNKED && bodyLength <= this.connection.readAhead.bytesMaxEach;
    return isSmall || this.#heldBytes === 0;
  }

  /** Whether the client takes less than is written to it. */
  get isFull(): boolean {
    return this.connection.writer.isFull;
  }

  /** Whether the response must say that the connection ends with it. */
  get isLast(): boolean {
    return this.#mustClose || !this.head.isPersistent || this.connection.isClosing;
  }

  /** `answerer` is told from now on when the client goes, and gets the body once it starts it. */
  answerWith(answerer: Answerer): void {
    this.#answerer = answerer;
  }

  /** The answerer takes the body now, beginning with what was held. */
  startBody(): void {
    this.#isBodyStarted = true;
    const held = this.#held;
    this.#releaseHeld();
    for (const data of held) this.#answerer?.onRequestData(data);
    if (this.isRequestEnded) this.#answerer?.onRequestEnd(this.#trailers);
    else this.connection.onAppetiteChanged();
  }

  pauseBody(): void {
    this.#setPaused(true);
  }

  resumeBody(): void {
    this.#setPaused(false);
  }

  /** RFC 9110 §15.2: an interim response; more will follow. */
  sendInterim(headText: string): void {
    this.connection.writer.text(headText);
    this.connection.writer.flush();
  }

  /** `headText` is all up to the body; nothing leaves before `flush` or large data. */
  startResponse(headText: string, framing: BodyFraming): void {
    this.isResponseStarted = true;
    this.#framing = framing;
    this.connection.writer.text(headText);
  }

  sendData(data: Buffer): void {
    this.responseBytes += data.length;
    writeBody(this.connection.writer, this.#framing, data);
  }

  flush(): void {
    this.connection.writer.flush();
    if (this.isFull) this.connection.onFull();
  }

  endResponse(trailers?: FieldSection): void {
    writeBodyEnd(this.connection.writer, this.#framing, trailers);
    this.connection.writer.flush();
    this.isResponseEnded = true;
    this.#answerer = undefined;
    this.#releaseHeld();
    this.connection.onResponseEnded(this);
  }

  /** A whole response of our own; `text` is for people, and gets an end of line. */
  respond(status: number, text: string, fields: Readonly<Record<string, string>> = {}): void {
    this.respondWith(status, text === '' ? '' : `${text}\n`, fields);
  }

  /** A whole response of our own with just this body. */
  respondWith(status: number, body: string, fields: Readonly<Record<string, string>> = {}): void {
    const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
    this.status = status;
    this.startResponse(
      `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n` +
        'content-type: text/plain; charset=utf-8\r\n' +
        `content-length: ${Buffer.byteLength(body)}\r\n${lines.join('')}` +
        `${this.isLast ? 'connection: close\r\n' : ''}\r\n`,
      'raw',
    );
    if (this.head.method !== 'HEAD') this.sendData(Buffer.from(body));
    this.endResponse();
  }

  /** Makes this the connection's last exchange; call before the response's head is made. */
  closeAfter(): void {
    this.#mustClose = true;
  }

  /** The response cannot be made whole: the client must see that it is cut off. */
  abort(): void {
    this.#answerer = undefined;
    this.#releaseHeld();
    this.connection.destroy();
  }

  /** Only for the connection. */
  takeBody(data: Buffer): void {
    if (this.isResponseEnded) return;
    this.requestBytes += data.length;
    if (this.#isBodyStarted) this.#answerer?.onRequestData(data);
    else this.#hold(data);
  }

  /** Only for the connection. */
  takeEnd(trailers: FieldSection | undefined): void {
    this.isRequestEnded = true;
    this.#trailers = trailers;
    if (this.#isBodyStarted) this.#answerer?.onRequestEnd(trailers);
  }

  /** Only for the connection. */
  drained(): void {
    this.#answerer?.onClientDrain();
  }

  /** Only for the connection. */
  gone(): void {
    const answerer = this.#answerer;
    this.#answerer = undefined;
    this.#releaseHeld();
    answerer?.onClientGone();
  }

  #setPaused(isPaused: boolean): void {
    if (this.#isPaused === isPaused) return;
    this.#isPaused = isPaused;
    this.connection.onAppetiteChanged();
  }

  #hold(data: Buffer): void {
    if (this.connection.readAhead.take(data.length)) {
      this.#held.push(data);
      this.#heldBytes += data.length;
      return;
    }
    const answerer = this.#answerer;
    this.closeAfter();
    this.respond(503, 'too many request bodies are waiting');
    answerer?.onClientGone();
  }

  #releaseHeld(): void {
    this.connection.readAhead.giveBack(this.#heldBytes);
    this.#held = [];
    this.#heldBytes = 0;
  }
}
