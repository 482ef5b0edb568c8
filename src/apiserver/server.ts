import { once } from 'node:events';
import {
  constants,
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from 'node:http2';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import { ApiError } from '#api/meta/api-error.ts';
import type { ApiServer } from '#apiserver/api-server.ts';
import { limitConnections, transportLimits } from '#apiserver/connection-limits.ts';
import { HeldBody, HeldBytes } from '#apiserver/held-bytes.ts';
import { certificateOf, headersOf, pathOf, readBody } from '#apiserver/node-request.ts';
import { Stalled, writeReply } from '#apiserver/node-reply.ts';
import { errorReply } from '#apiserver/status-reply.ts';
import { upgrade } from '#apiserver/upgrade/upgrade.ts';
import type { Authenticator } from '#apiserver/user.ts';
import type { HttpReply } from '#base/http-message.ts';

/** PEM. `ca` is who signs client certificates. */
interface ServerTls {
  readonly key: string;
  readonly cert: string;
  readonly ca: string;
}

export interface ListenOptions {
  readonly server: Pick<ApiServer, 'handle' | 'connect'>;
  readonly tls: ServerTls;
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
  readonly authenticator: Authenticator;
  readonly clock: Clock;
  readonly log: Log;
}

/** Dispose to stop: watches end, what is being answered is answered, and after 5 s the rest is cut off. */
export interface Listener extends AsyncDisposable {
  readonly port: number;
  /** Another key pair for connections to come. */
  renew(tls: ServerTls): void;
}

const CLOSE_TIMEOUT_MS = 5_000;
/** Of path and query together, still percent-encoded. */
const TARGET_LENGTH_MAX = 32 * 1024;
/** A connection with nothing to answer is closed after this long. */
const IDLE_TIMEOUT_MS = 180_000;

/** Serves an API over TLS, as HTTP/2 or HTTP/1.1. Rejects with the system's error where the address cannot be had. */
export async function listen(options: ListenOptions): Promise<Listener> {
  const { tls, host, port, log, clock } = options;
  const closing = new AbortController();
  const answering = new Set<AbortController>();
  const sockets = new Set<Socket>();
  const sessions = new Set<ServerHttp2Session>();
  const held = new HeldBytes();
  const upgraded = new Set<TLSSocket>();
  const server = createSecureServer({
    ...tls,
    ...transportLimits,
    allowHTTP1: true,
    requestCert: true,
    // Who has no certificate may have a token; who has neither is told so by a Status.
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
  });
  server.on('request', (request, response) => {
    // One that comes while the server closes is as one that came before.
    void answer(request, response, { ...options, answering, held });
    if (closing.signal.aborted) abortAll(answering);
  });
  limitConnections(server, log);
  server.on('upgrade', (request: IncomingMessage, socket: TLSSocket, head: Buffer) => {
    void upgrade({ request, socket, head }, { ...options, upgraded, closing: closing.signal });
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
    closeWhenIdle(session);
  });
  // What goes wrong below a request is the client's affair; without a listener it would end the process.
  server.on('tlsClientError', (error) =>
    log.info('a TLS handshake failed', { reason: error.message }),
  );
  server.on('sessionError', (error) =>
    log.info('an HTTP/2 session failed', { reason: error.message }),
  );
  server.listen(port, host);
  await once(server, 'listening');
  return {
    // A TCP server that listens has an address with a port.
    port: (server.address() as AddressInfo).port,
    renew: (renewed) => server.setSecureContext(renewed),
    async [Symbol.asyncDispose]() {
      closing.abort();
      abortAll(answering);
      for (const session of sessions) session.close();
      await close(server, { sockets, clock });
    },
  };
}

const CLOSING = new DOMException('the server is closing', 'AbortError');

function abortAll(answering: ReadonlySet<AbortController>): void {
  for (const asked of answering) asked.abort(CLOSING);
}

async function close(
  server: Http2SecureServer,
  { sockets, clock }: { sockets: ReadonlySet<Socket>; clock: Clock },
): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  using _limit = clock.after(CLOSE_TIMEOUT_MS, () => {
    for (const socket of sockets) socket.destroy();
  });
  await closed;
}

/** A quiet watch is not idle: only a session without open streams is closed. */
function closeWhenIdle(session: ServerHttp2Session): void {
  let streams = 0;
  session.on('stream', (stream) => {
    streams += 1;
    stream.once('close', () => {
      streams -= 1;
    });
  });
  session.setTimeout(IDLE_TIMEOUT_MS, () => {
    if (streams === 0) session.close();
  });
}

interface Answering extends ListenOptions {
  /** Each request's, for when the server closes; a signal of all would be followed by each of them at a price. */
  readonly answering: Set<AbortController>;
  readonly held: HeldBytes;
}

/** Each request ends with one; its stack would say nothing. */
const CLIENT_GONE = new DOMException('the client is gone', 'AbortError');

async function answer(
  request: Http2ServerRequest,
  response: Http2ServerResponse,
  options: Answering,
): Promise<void> {
  const gone = new AbortController();
  const asked = new AbortController();
  const leave = (): void => {
    gone.abort(CLIENT_GONE);
    asked.abort(CLIENT_GONE);
  };
  response.once('close', leave);
  const { clock, log, answering } = options;
  answering.add(asked);
  using held = new HeldBody(options.held);
  try {
    const reply = await replyTo(request, { ...options, signal: asked.signal, body: held });
    const { body } = reply;
    const isWhole = typeof body === 'string' || body instanceof Uint8Array;
    if (isWhole) held.keep(body.length);
    await writeReply(response, reply, { request, clock, signal: gone.signal });
    // Whoever streams may hold something until the client has gone.
    if (isWhole) response.off('close', leave);
    refuseRest(request);
  } catch (error) {
    if (error instanceof Stalled) log.info('a client stalled', { reason: error.message });
    else if (!gone.signal.aborted)
      log.error('a reply broke off', { target: pathOf(request.url), error });
    response.destroy();
  } finally {
    answering.delete(asked);
  }
}

/**
 * Of a body that was refused nobody reads the rest; HTTP/1.1 ends such a connection by its own timeout. The reset comes
 * behind the whole reply (RFC 9113 §8.1), because a client drops a reply that it overtakes.
 */
function refuseRest(request: Http2ServerRequest): void {
  // Over HTTP/1.1 there is no such stream.
  const stream = request.stream as Http2ServerRequest['stream'] | undefined;
  if (!stream?.close || request.complete || stream.endAfterHeaders) return;
  // A finished stream has handed its last frame to the session, which sends it in the same turn of the event loop.
  const reset = (): void => void setImmediate(() => stream.close(constants.NGHTTP2_NO_ERROR));
  if (stream.writableFinished) reset();
  else stream.once('finish', reset);
}

async function replyTo(
  request: Http2ServerRequest,
  options: Answering & { readonly signal: AbortSignal; readonly body: HeldBody },
): Promise<HttpReply> {
  const { signal, log, server, authenticator, clock } = options;
  const { method, url: target } = request;
  try {
    if (target.length > TARGET_LENGTH_MAX) throw targetTooLong();
    const asked = { method, target, headers: headersOf(request), signal };
    // Of somebody who is not known not even the body is read.
    const user = await authenticator(asked, certificateOf(request));
    if (!user) throw new ApiError('Unauthorized', 'Unauthorized');
    options.body.begin(user);
    const onBytes = (bytes: number): void => options.body.receive(bytes);
    const body = await readBody(request, { clock, onBytes });
    return await server.handle({ ...asked, user, ...(body && { body }) });
  } catch (error) {
    if (error instanceof ApiError) return errorReply(error);
    log.error('a request failed', { method, target: pathOf(target), error });
    return errorReply(
      new ApiError('InternalError', 'Internal error occurred: the server has logged what happened'),
    );
  }
}

function targetTooLong(): ApiError {
  const message = `the URL is too long: at most ${TARGET_LENGTH_MAX} characters are accepted`;
  return new ApiError('RequestURITooLong', message);
}
