import { once } from 'node:events';
import type { ClientHttp2Session } from 'node:http2';
import { request as plainRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as tlsRequest } from 'node:https';

export type OtlpProtocol = 'http/protobuf' | 'grpc';
type Signal = 'metrics' | 'traces';

export interface OtlpTarget {
  readonly protocol: OtlpProtocol;
  /** As configured: a URL, or a host and a port, which is taken for https. */
  readonly endpoint: string;
  readonly signal: Signal;
  /** The address of a host that only the cluster knows; undefined: as the machine resolves it. */
  readonly addressOf: (host: string) => string | undefined;
}

/** Whoever is to hear what is measured did not take it; the message says why. */
export class NotSent extends Error {
  override readonly name = 'NotSent';
}

/** What a collector takes this long for is lost: it may be told again, and nobody waits for it. */
const TIMEOUT_MS = 10_000;

/** Sends one message of OTLP. Throws NotSent; never takes longer than ten seconds. */
export async function sendOtlp(target: OtlpTarget, body: Buffer): Promise<void> {
  const url = endpointUrl(target.endpoint);
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  try {
    await (target.protocol === 'grpc' ? sendGrpc : sendHttp)(url, { target, body, signal });
  } catch (error) {
    if (error instanceof NotSent) throw error;
    const why = signal.aborted ? `no answer within ${TIMEOUT_MS / 1_000} s` : String(error);
    throw new NotSent(`Cannot send ${target.signal} to ${url.href}: ${why}`, { cause: error });
  }
}

/** Upstream takes a host and a port without a scheme for https. Throws TypeError where it is neither. */
function endpointUrl(endpoint: string): URL {
  return new URL(endpoint.includes('://') ? endpoint : `https://${endpoint}`);
}

interface Sending {
  readonly target: OtlpTarget;
  readonly body: Buffer;
  readonly signal: AbortSignal;
}

async function sendHttp(url: URL, { target, body, signal }: Sending): Promise<void> {
  const options: RequestOptions = {
    method: 'POST',
    host: target.addressOf(url.hostname) ?? bareHost(url),
    port: url.port || (url.protocol === 'https:' ? 443 : 80),
    path: url.pathname === '/' ? `/v1/${target.signal}` : url.pathname + url.search,
    headers: {
      host: url.host,
      'content-type': 'application/x-protobuf',
      'content-length': body.length,
      'user-agent': 'knode',
    },
    agent: false,
    signal,
  };
  const isSecure = url.protocol === 'https:';
  const sent = isSecure
    ? tlsRequest({ ...options, servername: bareHost(url) })
    : plainRequest(options);
  sent.end(body);
  const [reply] = (await once(sent, 'response', { signal })) as [IncomingMessage];
  reply.resume();
  const { statusCode = 0 } = reply;
  if (statusCode >= 200 && statusCode < 300) return;
  throw new NotSent(`Cannot send ${target.signal} to ${url.href}: it answered ${statusCode}`);
}

const GRPC_PATHS: Readonly<Record<Signal, string>> = {
  metrics: '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export',
  traces: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
};

/** A unary call: one message, with its length before it, on a connection of its own. */
async function sendGrpc(url: URL, { target, body, signal }: Sending): Promise<void> {
  const { connect } = await import('node:http2');
  const host = target.addressOf(url.hostname) ?? url.hostname;
  const port = url.port || '4317';
  const session = connect(`${url.protocol}//${host}:${port}`, { servername: bareHost(url) });
  const closed = (): void => session.destroy();
  signal.addEventListener('abort', closed, { once: true });
  try {
    const status = await exportCall(session, { url, target, body, signal });
    if (status === '0') return;
    throw new NotSent(`Cannot send ${target.signal} to ${url.href}: gRPC status ${status}`);
  } finally {
    signal.removeEventListener('abort', closed);
    session.destroy();
  }
}

async function exportCall(
  session: ClientHttp2Session,
  { url, target, body, signal }: Sending & { readonly url: URL },
): Promise<string> {
  const failed = Promise.withResolvers<never>();
  session.once('error', failed.reject);
  const stream = session.request({
    ':method': 'POST',
    ':path': GRPC_PATHS[target.signal],
    ':authority': url.host,
    'content-type': 'application/grpc',
    te: 'trailers',
    'user-agent': 'knode',
  });
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(body.length, 1);
  stream.end(Buffer.concat([prefix, body]));
  stream.resume();
  let status = 'none';
  const take = (headers: Readonly<Record<string, unknown>>): void => {
    const said = headers['grpc-status'];
    if (typeof said === 'string') status = said;
  };
  stream.once('response', take);
  stream.once('trailers', take);
  await Promise.race([once(stream, 'close', { signal }), failed.promise]);
  return status;
}

/** Without the brackets of an IPv6 address. */
function bareHost({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, '$1');
}
