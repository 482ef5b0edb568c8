import type { Socket } from 'node:net';
import type { Deadlines } from '../deadlines.ts';
import type { HttpLimits } from '../http1/limits.ts';
import { MessageParser, type MessageReader } from '../http1/message-parser.ts';
import { ProtocolError } from '../http1/protocol-error.ts';
import { parseRequestHead } from '../http1/request-head.ts';
import { type Door, Exchange, type ExchangeConnection, type Scheme } from './exchange.ts';
import type { ReadAhead } from './read-ahead.ts';
import { SocketWriter } from './socket-writer.ts';

export interface ClientConnectionOptions {
  readonly door: Door;
  readonly scheme: Scheme;
  readonly httpsPort: number;
  readonly limits: HttpLimits;
  readonly readAhead: ReadAhead;
  /** Ends connections on which a request's head takes too long: those that send it byte by byte, and new ones that send nothing. */
  readonly headDeadlines: Deadlines<ClientConnection>;
  /** Ends connections on which nothing has come since the last answer. */
  readonly idleDeadlines: Deadlines<ClientConnection>;
  /** Ends connections that neither send what we wait for nor take what we send. */
  readonly stallDeadlines: Deadlines<ClientConnection>;
  /** Ends connections that were told to go and that linger. */
  readonly lingerDeadlines: Deadlines<ClientConnection>;
  readonly onRequest: (exchange: Exchange) => void;
  readonly onClosed: (connection: ClientConnection) => void;
}

/** Body bytes of an answered request that are read and dropped so that the connection can be kept. */
const DISCARDED_BYTES_MAX = 256 * 1024;

/** A client's connection: one exchange at a time, in order (RFC 9112 §9.3); what is pipelined waits in the socket. */
export class ClientConnection implements ExchangeConnection, MessageReader {
  readonly door: Door;
  readonly scheme: Scheme;
  readonly httpsPort: number;
  readonly peerAddress: string;
  readonly peerPort: number;
  readonly writer: SocketWriter;
  readonly readAhead: ReadAhead;
  readonly #options: ClientConnectionOptions;
  readonly #socket: Socket;
  readonly #parser: MessageParser;
  #exchange: Exchange | undefined;
  /** Which of the head's and the idle deadlines runs, or ran last. */
  #quiet: Deadlines<ClientConnection>;
  /** Read beyond the current request: the next one. */
  #rest: Buffer | undefined;
  #isParsing = false;
  #isPaused = false;
  #isClosing = false;
  #isDetached = false;
  #discardedBytes = 0;

  constructor(socket: Socket, options: ClientConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.door = options.door;
    this.scheme = options.scheme;
    this.httpsPort = options.httpsPort;
    this.readAhead = options.readAhead;
    this.peerAddress = socket.remoteAddress ?? '';
    this.peerPort = socket.remotePort ?? 0;
    this.writer = new SocketWriter(socket);
    this.#parser = new MessageParser(options.limits, this);
    socket.on('data', this.#readSocket);
    socket.on('drain', this.#socketDrained);
    socket.on('end', this.#socketEnded);
    socket.on('error', this.#socketGone);
    socket.on('close', this.#socketGone);
    this.#quiet = options.headDeadlines;
    this.#quiet.set(this);
  }

  get isClosing(): boolean {
    return this.#isClosing;
  }

  get isIdle(): boolean {
    return this.#exchange === undefined;
  }

  /** Ends the connection as soon as it is between two requests. */
  closeWhenIdle(): void {
    this.#isClosing = true;
    if (this.isIdle) this.#linger();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  detach(): { socket: Socket; rest: Buffer | undefined } {
    this.#isDetached = true;
    const { stallDeadlines, onClosed } = this.#options;
    this.#quiet.clear(this);
    stallDeadlines.clear(this);
    this.#socket.off('data', this.#readSocket);
    this.#socket.off('drain', this.#socketDrained);
    this.#socket.off('end', this.#socketEnded);
    this.#socket.off('error', this.#socketGone);
    this.#socket.off('close', this.#socketGone);
    this.#socket.once('close', () => onClosed(this));
    const rest = this.#rest;
    this.#rest = undefined;
    return { socket: this.#socket, rest };
  }

  onAppetiteChanged(): void {
    if (this.#isDetached) return;
    const wantsMore = this.#rest === undefined && (this.#exchange?.wantsBody ?? true);
    if (wantsMore === !this.#isPaused) return;
    this.#isPaused = !wantsMore;
    if (wantsMore) this.#socket.resume();
    else this.#socket.pause();
    // Only a client that we wait for can be late.
    if (!wantsMore) this.#options.stallDeadlines.clear(this);
    else if (this.#exchange?.isRequestEnded === false) this.#options.stallDeadlines.set(this);
  }

  onFull(): void {
    this.#options.stallDeadlines.set(this);
  }

  onResponseEnded(exchange: Exchange): void {
    if (exchange.isLast) this.#linger();
    else if (exchange.isRequestEnded) this.#endExchange();
    else this.onAppetiteChanged();
  }

  onHead(text: string): number {
    const head = parseRequestHead(text, this.#options.limits);
    const exchange = new Exchange(head, this);
    this.#exchange = exchange;
    this.#quiet.clear(this);
    if (head.bodyLength !== 0) this.#options.stallDeadlines.set(this);
    this.#options.onRequest(exchange);
    return head.bodyLength;
  }

  onData(data: Buffer): void {
    const exchange = this.#exchange;
    if (!exchange) return;
    if (exchange.isResponseEnded) this.#discard(data);
    else {
      this.#options.stallDeadlines.set(this);
      exchange.takeBody(data);
    }
  }

  onEnd(trailers: Parameters<MessageReader['onEnd']>[0]): void {
    const exchange = this.#exchange;
    if (!exchange) return;
    if (exchange.head.bodyLength !== 0) this.#options.stallDeadlines.clear(this);
    exchange.takeEnd(trailers);
    if (exchange.isResponseEnded && !exchange.isLast) this.#endExchange();
  }

  readonly #readSocket = (chunk: Buffer): void => {
    if (this.#exchange?.isRequestEnded || this.#rest) {
      this.#rest = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk;
      this.onAppetiteChanged();
    } else this.#parse(chunk);
  };

  readonly #socketDrained = (): void => {
    if (this.#exchange?.isRequestEnded ?? true) this.#options.stallDeadlines.clear(this);
    this.#exchange?.drained();
  };

  /** RFC 9112 §9.5 lets a client close its side and still read; but one that is gone looks the same, and most are. */
  readonly #socketEnded = (): void => {
    if (this.#isClosing && this.#exchange === undefined) this.#socket.end();
    else this.#socket.destroy();
  };

  readonly #socketGone = (): void => {
    const { stallDeadlines, lingerDeadlines, onClosed } = this.#options;
    this.#quiet.clear(this);
    stallDeadlines.clear(this);
    lingerDeadlines.clear(this);
    this.#socket.destroy();
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#rest = undefined;
    exchange?.gone();
    onClosed(this);
  };

  /** A loop and no recursion: many pipelined requests may be answered at once. */
  #parse(chunk: Buffer): void {
    if (this.#isParsing) {
      this.#rest = chunk;
      return;
    }
    this.#isParsing = true;
    let next: Buffer | undefined = chunk;
    try {
      while (next && !this.#exchange?.isRequestEnded && !this.#isGone()) {
        next = this.#parser.write(next);
      }
      this.#rest = this.#isGone() ? undefined : next;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#refuse(error);
    } finally {
      this.#isParsing = false;
    }
    if (!this.#exchange && this.#parser.isWithinMessage) this.#headBegun();
    this.onAppetiteChanged();
  }

  /** A head that has come in part: from now on it must not take long. */
  #headBegun(): void {
    const { headDeadlines } = this.#options;
    if (this.#quiet === headDeadlines || this.#isClosing) return;
    this.#quiet.clear(this);
    this.#quiet = headDeadlines;
    headDeadlines.set(this);
  }

  #isGone(): boolean {
    return this.#isDetached || this.#socket.destroyed || this.#socket.writableEnded;
  }

  #endExchange(): void {
    this.#exchange = undefined;
    this.#discardedBytes = 0;
    if (this.#isClosing) {
      this.#linger();
      return;
    }
    this.#quiet = this.#options.idleDeadlines;
    this.#quiet.set(this);
    const rest = this.#rest;
    if (!rest || this.#isParsing) return;
    this.#rest = undefined;
    this.#parse(rest);
  }

  #discard(data: Buffer): void {
    this.#discardedBytes += data.length;
    if (this.#discardedBytes > DISCARDED_BYTES_MAX) this.#linger();
  }

  /** What the client sent is no HTTP: whatever it is in the middle of is over, and it is told if nothing was said yet. */
  #refuse(error: ProtocolError): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    exchange?.gone();
    if (!exchange?.isResponseStarted) {
      const text = `${error.message}\n`;
      this.writer.text(
        `HTTP/1.1 ${error.status} ${error.status === 400 ? 'Bad Request' : 'Refused'}\r\n` +
          `content-type: text/plain; charset=utf-8\r\ncontent-length: ${text.length}\r\n` +
          `connection: close\r\n\r\n${text}`,
      );
      this.writer.flush();
    }
    this.#linger();
  }

  /** RFC 9112 §9.6: ends our side and goes on reading for a while, lest a reset takes the response from the client. */
  #linger(): void {
    this.#isClosing = true;
    this.#exchange = undefined;
    this.#rest = undefined;
    const { stallDeadlines, lingerDeadlines } = this.#options;
    this.#quiet.clear(this);
    // A client that reads slowly has as long for the end of a response as for the rest of it.
    stallDeadlines.set(this);
    this.#socket.once('finish', () => {
      stallDeadlines.clear(this);
      lingerDeadlines.set(this);
    });
    this.#socket.off('data', this.#readSocket);
    this.#socket.end();
    this.#isPaused = false;
    this.#socket.resume();
  }
}
