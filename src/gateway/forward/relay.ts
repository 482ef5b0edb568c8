import type { Clock } from '#base/clock.ts';
import type { Backend, Visitor } from '../backend/backend.ts';
import type { Pod } from '../backend/pod.ts';
import { type BodyFraming, writeBody, writeBodyEnd } from '../connection/body-writer.ts';
import type { Answerer, Exchange } from '../connection/exchange.ts';
import type { PodConnection, ResponseReader } from '../connection/pod-connection.ts';
import type { FieldSection } from '../http1/field-section.ts';
import { CHUNKED, UNTIL_CLOSE } from '../http1/framing.ts';
import type { ObservedRequest, RequestTrace } from '../observe/request-observer.ts';
import type { AppendedFields } from '../route/appended-fields.ts';
import { ProtocolError } from '../http1/protocol-error.ts';
import type { ResponseHead } from '../http1/response-head.ts';
import { type Onward, requestHeadText, responseHeadText, upgradeOf } from './forwarded-fields.ts';
import { splice } from './splice.ts';

/** RFC 9110 §9.2.2: may be sent twice. */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);
/** Pods that could not be connected to; a revision's are then asked until they can, so only plain Services come near. */
const CONNECTS_MAX = 15;
const TIMEOUT_TEXT = 'request timeout';

/**
 * One request on its way: waits for a pod, goes to it, brings the answer back. All that happens to it comes in as a call
 * from the client's side, the backend or the pod's side; it ends exactly once, in `#leave`.
 */
export class Relay implements Answerer, Visitor, ResponseReader, ObservedRequest {
  pod: Pod | undefined;
  readonly exchange: Exchange;
  readonly arrivedMs: number;
  admittedMs: number | undefined;
  servedBy: Pod | undefined;
  hasWaited = false;
  readonly trace: RequestTrace | undefined;
  readonly #clock: Clock;
  readonly #backend: Backend;
  readonly #onward: Onward;
  readonly #requestFraming: BodyFraming;
  #connection: PodConnection | undefined;
  #connects = 0;
  /** Once on another connection to the same pod, once wherever there is room. */
  #isRepeated = false;
  #isMoved = false;
  #hasSentBody = false;
  #isRequestSent = false;
  #response: ResponseHead | undefined;
  #isOver = false;
  #isTold = false;

  constructor(
    exchange: Exchange,
    { backend, onward, clock }: { backend: Backend; onward: Onward; clock: Clock },
  ) {
    this.exchange = exchange;
    this.arrivedMs = clock.monotonicMs();
    this.#clock = clock;
    this.#backend = backend;
    this.trace = backend.observer?.began(exchange);
    this.#onward = this.trace ? { ...onward, traceParent: this.trace.traceParent } : onward;
    this.#requestFraming = exchange.head.bodyLength === CHUNKED ? 'chunked' : 'raw';
  }

  get appended(): AppendedFields {
    return this.#onward.append;
  }

  start(): void {
    this.exchange.answerWith(this);
    this.#backend.enter(this);
    this.hasWaited = this.admittedMs === undefined;
  }

  // The backend's side.

  onPod(pod: Pod): void {
    this.admittedMs = this.#clock.monotonicMs();
    this.servedBy = pod;
    const { pool } = pod;
    this.#send(this.#mayUpgrade ? pool.connect(true) : pool.take());
  }

  onRefused(status: number, text: string): void {
    this.#leave();
    this.exchange.respond(status, text);
    this.#tell();
  }

  /** Upstream ends a response that has begun with the text, where its framing allows that, and cuts it off elsewhere. */
  onTimeout(): void {
    if (this.#isOver) return;
    const exchange = this.exchange;
    this.#connection?.destroy();
    const isChunked = this.#response !== undefined && this.#responseFraming() === 'chunked';
    this.#leave();
    if (!exchange.isResponseStarted) exchange.respondWith(504, TIMEOUT_TEXT);
    else if (isChunked && exchange.head.minorVersion === 1) {
      exchange.closeAfter();
      exchange.sendData(Buffer.from(TIMEOUT_TEXT));
      exchange.endResponse();
    } else exchange.abort();
    this.#tell();
  }

  // The client's side.

  onRequestData(data: Buffer): void {
    const writer = this.#connection?.writer;
    if (!writer) return;
    this.#hasSentBody = true;
    writeBody(writer, this.#requestFraming, data);
    writer.flush();
    if (writer.isFull) this.exchange.pauseBody();
  }

  onRequestEnd(trailers: FieldSection | undefined): void {
    this.#isRequestSent = true;
    const writer = this.#connection?.writer;
    if (!writer || this.exchange.head.bodyLength === 0) return;
    writeBodyEnd(writer, this.#requestFraming, trailers);
    writer.flush();
  }

  onClientDrain(): void {
    this.#connection?.resume();
  }

  onClientGone(): void {
    this.#connection?.destroy();
    this.#leave();
    this.#tell();
  }

  // The pod's side.

  onConnected(): void {
    this.#startBody();
  }

  onResponse(head: ResponseHead): void {
    if (head.status === 101) this.#upgrade(head);
    else if (head.status < 200) this.#sendInterim(head);
    else this.#startResponse(head);
  }

  onResponseData(data: Buffer): void {
    this.#backend.deadlines.idle?.set(this);
    this.exchange.sendData(data);
  }

  onResponseEnd(trailers: FieldSection | undefined): void {
    const connection = this.#connection;
    const pod = this.pod;
    const exchange = this.exchange;
    // The rest of a request that is answered already is not worth a pod's attention.
    if (this.#response?.isPersistent && this.#isRequestSent && connection && pod) {
      pod.pool.put(connection, this.#response.fields.get('keep-alive'));
    } else connection?.destroy();
    this.#leave();
    exchange.endResponse(trailers);
    this.#tell();
  }

  onResponsePause(): void {
    if (this.#isOver) return;
    this.exchange.flush();
    if (this.exchange.isFull) this.#connection?.pause();
  }

  onPodDrain(): void {
    this.exchange.resumeBody();
  }

  onPodFailure(error: Error): void {
    const connection = this.#connection;
    if (this.#isOver || !connection) return;
    const exchange = this.exchange;
    if (exchange.isResponseStarted) {
      this.#leave();
      exchange.abort();
      this.#tell();
    } else if (!connection.isConnected) this.#connectAgain(error);
    else if (this.#mayRepeat(error)) this.#repeat(connection, error);
    else this.#fail(error);
  }

  #send(connection: PodConnection): void {
    const { head } = this.exchange;
    this.#connection = connection;
    connection.begin(this, head.method);
    connection.writer.text(requestHeadText(this.exchange, this.#onward));
    // A body is sent only where it will arrive; until then it can still go to another pod.
    if (connection.isConnected) this.#startBody();
    if (head.bodyLength === 0 || !connection.isConnected) connection.writer.flush();
  }

  #startBody(): void {
    this.exchange.startBody();
    this.#connection?.writer.flush();
  }

  /** Nothing was sent: another pod may do, or this one a little later. */
  #connectAgain(error: Error): void {
    this.#connects += 1;
    this.#connection = undefined;
    if (this.#backend.kind === 'plain' && this.#connects >= CONNECTS_MAX) this.#fail(error);
    else this.#backend.enterAgain(this);
  }

  /** What may be done twice, and of which nobody has seen anything yet. */
  #mayRepeat(error: Error): boolean {
    return (
      !this.#hasSentBody &&
      this.exchange.head.bodyLength === 0 &&
      IDEMPOTENT.has(this.exchange.head.method) &&
      !(error instanceof ProtocolError)
    );
  }

  /**
   * A pod may close an idle connection just when we use it again. On a new one, what was connected and never answered means
   * that the pod has ended: another takes the request, or the same one when it is back. Not twice: it may be the request
   * that ends pods.
   */
  #repeat(connection: PodConnection, error: Error): void {
    if (connection.isReused && !this.#isRepeated && this.pod) {
      this.#isRepeated = true;
      this.#send(this.pod.pool.connect(this.#mayUpgrade));
    } else if (!this.#isMoved) {
      this.#isMoved = true;
      this.#connection = undefined;
      this.#backend.enterAgain(this);
    } else this.#fail(error);
  }

  #fail(error: Error): void {
    this.#leave();
    this.exchange.respond(502, `the pod gave no valid response: ${error.message}`);
    this.#tell();
  }

  get #mayUpgrade(): boolean {
    return upgradeOf(this.exchange.head) !== undefined;
  }

  #responseFraming(): BodyFraming {
    const length = this.#response?.bodyLength ?? 0;
    const isOfUnknownLength = length === CHUNKED || length === UNTIL_CLOSE;
    return isOfUnknownLength && this.exchange.head.minorVersion === 1 ? 'chunked' : 'raw';
  }

  #startResponse(head: ResponseHead): void {
    const exchange = this.exchange;
    this.#response = head;
    this.#backend.answered(this);
    this.#backend.deadlines.start?.clear(this);
    this.#backend.deadlines.idle?.set(this);
    const framing = this.#responseFraming();
    let text = responseHeadText(head);
    if (framing === 'chunked') text += 'transfer-encoding: chunked\r\n';
    else if (head.bodyLength === CHUNKED || head.bodyLength === UNTIL_CLOSE) exchange.closeAfter();
    if (exchange.isLast) text += 'connection: close\r\n';
    exchange.status = head.status;
    exchange.startResponse(`${text}\r\n`, framing);
  }

  /** RFC 9110 §15.2: a proxy passes them on, but not to HTTP/1.0, which does not know them. */
  #sendInterim(head: ResponseHead): void {
    if (this.exchange.head.minorVersion === 1) {
      this.exchange.sendInterim(`${responseHeadText(head)}\r\n`);
    }
  }

  /** RFC 9110 §7.8: from here on both sides speak what they agreed on. */
  #upgrade(head: ResponseHead): void {
    const connection = this.#connection;
    const upgrade = upgradeOf(this.exchange.head);
    if (!connection || upgrade === undefined || !this.#isRequestSent) {
      connection?.destroy();
      this.#fail(new Error('it changed the protocol unasked'));
      return;
    }
    this.#response = head;
    const agreed = head.fields.get('upgrade') ?? upgrade;
    this.exchange.status = head.status;
    this.exchange.startResponse(
      `${responseHeadText(head)}connection: upgrade\r\nupgrade: ${agreed}\r\n\r\n`,
      'raw',
    );
    this.exchange.flush();
    const { socket: client, rest } = this.exchange.connection.detach();
    const pod = connection.detach();
    if (rest) client.unshift(rest);
    // As upstream has it, a revision's timeouts go on: the answer begins with the first thing said after the change.
    const { start, idle } = this.#backend.deadlines;
    this.#backend.upgraded(this);
    splice(client, pod, {
      onMoved: () => {
        start?.clear(this);
        idle?.set(this);
      },
      onClosed: () => {
        this.#leave();
        this.#tell();
      },
    });
  }

  #leave(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#connection = undefined;
    this.#backend.leave(this);
  }

  /** All has happened that will. */
  #tell(): void {
    if (this.#isTold) return;
    this.#isTold = true;
    this.#backend.observer?.ended(this);
  }
}
