import type { IncomingHttpHeaders } from 'node:http';
import type { Http2ServerRequest, IncomingHttpHeaders as Http2Headers } from 'node:http2';
import type { PeerCertificate, TLSSocket } from 'node:tls';
import type { Clock } from '#base/clock.ts';
import { ApiError } from '#api/meta/api-error.ts';
import { BODY_BYTES_MAX } from '#apiserver/admission/decode.ts';
import type { ClientCertificate } from '#apiserver/user.ts';

/** What Kubernetes calls a client that does not say its name; it owns the fields it writes like any other. */
const NAMELESS = 'unknown';

/** Names in lower case, repeated values joined; HTTP/2's own `:path` and so on are left out. */
export function headersOf(request: {
  readonly headers: IncomingHttpHeaders | Http2Headers;
}): Record<string, string> {
  const headers: Record<string, string> = { 'user-agent': NAMELESS };
  for (const [name, value] of Object.entries(request.headers)) {
    if (value === undefined || name.startsWith(':')) continue;
    headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return headers;
}

/** As Kubernetes' limit on a whole request. */
const BODY_TIMEOUT_MS = 60_000;

/**
 * The whole body, undefined where there is none; `onBytes` hears of each piece, and may throw to refuse the rest. Throws
 * RequestEntityTooLarge without reading what is too much, and Timeout where the body takes too long to come.
 */
export async function readBody(
  request: Http2ServerRequest,
  { clock, onBytes }: { readonly clock: Clock; readonly onBytes: (bytes: number) => void },
): Promise<Uint8Array | undefined> {
  if (!hasBody(request)) return undefined;
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > BODY_BYTES_MAX) throw tooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
  using _limit = clock.after(BODY_TIMEOUT_MS, () => reject(tooSlow()));
  const take = (chunk: Buffer): void => {
    size += chunk.length;
    try {
      if (size > BODY_BYTES_MAX) throw tooLarge();
      onBytes(chunk.length);
      chunks.push(chunk);
    } catch (error) {
      reject(error);
    }
  };
  const breakOff = (): void =>
    reject(new ApiError('BadRequest', 'the body of the request broke off'));
  request.on('data', take);
  request.once('end', () => {
    request.off('close', breakOff);
    resolve();
  });
  request.once('error', reject);
  request.once('close', breakOff);
  try {
    await ended;
  } finally {
    request.off('data', take);
    request.off('close', breakOff);
  }
  return size === 0 ? undefined : Buffer.concat(chunks);
}

function hasBody({ headers, stream }: Http2ServerRequest): boolean {
  // Over HTTP/1.1 there is no such stream.
  const asked = stream as Http2ServerRequest['stream'] | undefined;
  if (asked?.endAfterHeaders !== undefined) return !asked.endAfterHeaders;
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** The subject of a client certificate that was verified; undefined where there was none, or another's. */
export function certificateOf(request: Http2ServerRequest): ClientCertificate | undefined {
  const socket = request.stream?.session?.socket ?? request.socket;
  // HTTP/2 hands out a stand-in for the socket, which is no instance of anything.
  return certificateOfSocket(socket as TLSSocket);
}

export function certificateOfSocket(socket: TLSSocket): ClientCertificate | undefined {
  const { authorized, getPeerCertificate } = socket as Partial<TLSSocket>;
  if (!authorized || !getPeerCertificate) return undefined;
  const { subject } = socket.getPeerCertificate() as Partial<PeerCertificate>;
  const [commonName] = listOf(subject?.CN);
  if (!commonName) return undefined;
  return { commonName, organizations: listOf(subject?.O) };
}

/** A subject may have a field several times; Node's types do not say so. */
function listOf(value: unknown): readonly string[] {
  const values: unknown[] = Array.isArray(value) ? value : [value];
  return values.filter((each) => typeof each === 'string');
}

function tooLarge(): ApiError {
  return new ApiError(
    'RequestEntityTooLarge',
    `the body of the request is too large: limit is ${BODY_BYTES_MAX}`,
  );
}

function tooSlow(): ApiError {
  return new ApiError(
    'Timeout',
    `the body of the request did not come within ${BODY_TIMEOUT_MS / 1000} s`,
  );
}

/** What of a URL may be logged: a query can hold commands and tokens. */
export function pathOf(url = ''): string {
  return url.replace(/\?.*$/s, '');
}
