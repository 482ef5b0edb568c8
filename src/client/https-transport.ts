import { Agent, request as httpsRequest, type RequestOptions } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { systemClock } from '#base/clock.ts';
import type { HttpReply, HttpRequest } from '#base/http-message.ts';
import { ApiError } from '#api/meta/api-error.ts';
import type { Transport } from '#client/transport.ts';

export interface HttpsTransportOptions {
  /** `https://127.0.0.1:6443`, with a path where the API is below one. */
  readonly server: string;
  /** PEM of the CA that signed the server's certificate; the system's CAs where absent. */
  readonly ca?: string;
  /** A certificate and its key, both PEM, to be known by. */
  readonly certificate?: { readonly cert: string; readonly key: string };
  /** A token to be known by; asked for with each request, because it may be renewed. */
  readonly token?: () => string;
  /** The name in the server's certificate, where it is not the one in `server`. */
  readonly serverName?: string;
  /** Takes any certificate: for clusters whose kubeconfig says so. */
  readonly isInsecure?: boolean;
  /** From the request until the reply's headers, the connection included; 30 s unless told. */
  readonly replyTimeoutMs?: number;
}

export interface HttpsTransport extends AsyncDisposable {
  readonly send: Transport;
}

/**
 * Requests over TLS, on connections that are kept and reused. A server that cannot be reached, or does not answer in time,
 * is an ApiError of reason ServiceUnavailable or Timeout, so that whoever asks tries again. The body of a reply may take
 * as long as it likes while TCP keep-alive finds the server there: watches and logs are long. Disposing closes every
 * connection.
 */
export function httpsTransport(options: HttpsTransportOptions): HttpsTransport {
  const base = new URL(options.server);
  const agent = new Agent({
    keepAlive: true,
    keepAliveMsecs: KEEP_ALIVE_MS,
    maxSockets: SOCKETS_MAX,
    ...(options.ca !== undefined && { ca: options.ca }),
    ...options.certificate,
    ...(options.serverName !== undefined && { servername: options.serverName }),
    ...(options.isInsecure && { rejectUnauthorized: false }),
  });
  return {
    send: (request) => exchange(request, { base, agent, options }),
    async [Symbol.asyncDispose]() {
      agent.destroy();
    },
  };
}

/** One for each watched kind, and some for calls. */
const SOCKETS_MAX = 256;
const KEEP_ALIVE_MS = 15_000;
const REPLY_TIMEOUT_MS = 30_000;

interface Connection {
  readonly base: URL;
  readonly agent: Agent;
  readonly options: HttpsTransportOptions;
}

async function exchange(request: HttpRequest, connection: Connection): Promise<HttpReply> {
  request.signal.throwIfAborted();
  const message = await replyOf(request, connection);
  return {
    status: message.statusCode ?? 0,
    headers: joinedHeaders(message),
    body: chunksOf(message, connection.base),
  };
}

function replyOf(
  { method, target, headers, body, signal }: HttpRequest,
  { base, agent, options }: Connection,
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const prefix = base.pathname === '/' ? '' : base.pathname.replace(/\/$/, '');
  const authorization = options.token ? { authorization: `Bearer ${options.token()}` } : {};
  const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
  const wire: RequestOptions = {
    agent,
    method,
    // URL keeps the brackets of an IPv6 address, sockets want it without.
    host: base.hostname.replace(/^\[|\]$/g, ''),
    port: base.port === '' ? 443 : Number(base.port),
    path: prefix + target,
    headers: { host: base.host, ...headers, ...authorization, ...length },
    signal,
  };
  const sent = httpsRequest(wire);
  const timeoutMs = options.replyTimeoutMs ?? REPLY_TIMEOUT_MS;
  // The request's own timeout begins only once a connection is there.
  const timer = systemClock.after(timeoutMs, () =>
    sent.destroy(new ApiError('Timeout', `${base.origin}: no answer within ${timeoutMs} ms`)),
  );
  sent.on('response', resolve);
  sent.on('error', (error) => reject(signal.aborted ? signal.reason : failureOf(error, base)));
  sent.end(body);
  return promise.finally(() => timer[Symbol.dispose]());
}

async function* chunksOf(
  message: IncomingMessage,
  base: URL,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const chunk of message) yield chunk as Buffer;
  } catch (error) {
    throw error instanceof Error ? failureOf(error, base) : error;
  }
}

/** Whatever broke the connection, the answer is to try again. */
function failureOf(error: Error, base: URL): ApiError {
  if (error instanceof ApiError) return error;
  return new ApiError(
    'ServiceUnavailable',
    `Cannot reach the API server ${base.origin}: ${error.message}`,
  );
}

function joinedHeaders({ headers }: IncomingMessage): Record<string, string> {
  const entries = Object.entries(headers).map(([name, value]) => [
    name,
    Array.isArray(value) ? value.join(', ') : (value ?? ''),
  ]);
  return Object.fromEntries(entries) as Record<string, string>;
}
