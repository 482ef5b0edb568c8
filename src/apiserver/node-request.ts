import type { Http2ServerRequest } from 'node:http2';
import type { PeerCertificate, TLSSocket } from 'node:tls';
import { ApiError } from '#api/meta/api-error.ts';
import { BODY_BYTES_MAX } from '#apiserver/admission/decode.ts';
import type { ClientCertificate } from '#apiserver/user.ts';

/** Names in lower case, repeated values joined; HTTP/2's own `:path` and so on are left out. */
export function headersOf(request: Http2ServerRequest): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (value === undefined || name.startsWith(':')) continue;
    headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return headers;
}

/** The whole body, undefined where there is none. Throws RequestEntityTooLarge without reading what is too much. */
export async function readBody(request: Http2ServerRequest): Promise<Uint8Array | undefined> {
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > BODY_BYTES_MAX) throw tooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > BODY_BYTES_MAX) throw tooLarge();
    chunks.push(chunk);
  }
  return size === 0 ? undefined : Buffer.concat(chunks);
}

/** The subject of a client certificate that was verified; undefined where there was none, or another's. */
export function certificateOf(request: Http2ServerRequest): ClientCertificate | undefined {
  const socket = request.stream?.session?.socket ?? request.socket;
  // HTTP/2 hands out a stand-in for the socket, which is no instance of anything.
  const { authorized, getPeerCertificate } = socket as Partial<TLSSocket>;
  if (!authorized || !getPeerCertificate) return undefined;
  const { subject } = (socket as TLSSocket).getPeerCertificate() as Partial<PeerCertificate>;
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
