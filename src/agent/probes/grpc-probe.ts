import { once } from 'node:events';
import http2 from 'node:http2';
import { messageOf } from '#agent/probes/http-ask.ts';

export interface GrpcQuestion {
  readonly address: string;
  readonly port: number;
  /** Of the health service, whatever the server makes of it; empty is the server itself. */
  readonly service: string;
  readonly signal: AbortSignal;
}

/** By number, grpc.health.v1.HealthCheckResponse.ServingStatus. */
const STATUSES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];
const SERVING = 1;
const UNIMPLEMENTED = '12';
const REPLY_BYTES_MAX = 4096;

/** Asks the gRPC health service (grpc.health.v1.Health/Check) without TLS. Empty: it serves; else why not. Never throws. */
export async function askGrpc({ address, port, service, signal }: GrpcQuestion): Promise<string> {
  const session = http2.connect(`http://${address}:${port}`);
  const failed = Promise.withResolvers<never>();
  const fail = (error: unknown): void => failed.reject(error);
  session.on('error', fail);
  signal.addEventListener('abort', fail, { once: true });
  try {
    const { status, trailers } = await Promise.race([
      check(session, service, fail),
      failed.promise,
    ]);
    const code = String(trailers['grpc-status']);
    if (code === UNIMPLEMENTED)
      return 'error: this server does not implement the grpc health protocol (grpc.health.v1.Health)';
    if (code !== '0')
      return `error: health rpc probe failed: ${String(trailers['grpc-message'] ?? `status ${code}`)}`;
    return status === SERVING
      ? ''
      : `service unhealthy (responded with "${STATUSES[status] ?? status}")`;
  } catch (error) {
    const why = signal.aborted ? 'context deadline exceeded' : messageOf(error);
    return `timeout: failed to connect service "${address}:${port}": ${why}`;
  } finally {
    signal.removeEventListener('abort', fail);
    session.destroy();
  }
}

interface Checked {
  readonly status: number;
  readonly trailers: http2.IncomingHttpHeaders;
}

async function check(
  session: http2.ClientHttp2Session,
  service: string,
  fail: (error: unknown) => void,
): Promise<Checked> {
  const stream = session.request({
    ':method': 'POST',
    ':path': '/grpc.health.v1.Health/Check',
    'content-type': 'application/grpc',
    te: 'trailers',
    'user-agent': 'kube-probe/1.34 grpc-node',
  });
  stream.on('error', fail);
  let trailers: http2.IncomingHttpHeaders = {};
  // An answer without a message has its trailers as headers (gRPC over HTTP/2, Trailers-Only).
  for (const event of ['response', 'trailers'])
    stream.on(event, (headers: http2.IncomingHttpHeaders) => {
      trailers = { ...trailers, ...headers };
    });
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > REPLY_BYTES_MAX) fail(new Error('the answer is too long'));
    else chunks.push(chunk);
  });
  stream.end(requestOf(service));
  await once(stream, 'close');
  return { status: statusOf(Buffer.concat(chunks)), trailers };
}

/** Flag 0 (not compressed), the length, then field 1 of the message: the name as text. */
function requestOf(service: string): Buffer {
  const name = Buffer.from(service);
  const message =
    name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a, ...varint(name.length)]), name]);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}

/** Field 1 as a number; left out it is 0 (protobuf 3). */
function statusOf(reply: Buffer): number {
  return reply[5] === 0x08 ? (reply[6] ?? 0) : 0;
}
