import { once, type EventEmitter } from 'node:events';
import type { Http2ServerRequest } from 'node:http2';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { HttpReply } from '#base/http-message.ts';

/** As Kubernetes: smaller bodies are not worth the time. */
const GZIP_BYTES_MIN = 128 * 1024;
const GZIP_LEVEL = 4;
const compress = promisify(gzip);

/** What the responses of HTTP/1.1 and HTTP/2 have in common. */
export interface NodeResponse extends EventEmitter {
  writeHead(status: number, headers: Readonly<Record<string, string | number>>): unknown;
  /** HTTP/2 sends its head without being told. */
  flushHeaders?(): void;
  write(chunk: string | Uint8Array): boolean;
  end(): unknown;
  end(chunk: Uint8Array): unknown;
}

/** Writes a reply whole, or piece by piece as fast as the client reads; stops and releases it when `signal` aborts. */
export async function writeReply(
  response: NodeResponse,
  reply: HttpReply,
  { request, signal }: { readonly request: Http2ServerRequest; readonly signal: AbortSignal },
): Promise<void> {
  const { body } = reply;
  if (typeof body === 'string' || body instanceof Uint8Array) {
    await writeWhole(response, { ...reply, body }, request);
    return;
  }
  response.writeHead(reply.status, { ...reply.headers });
  // Clients wait for the head of a watch before its first event, which may be long in coming.
  response.flushHeaders?.();
  for await (const chunk of body) {
    if (signal.aborted) break;
    if (!response.write(chunk)) await once(response, 'drain', { signal });
  }
  response.end();
}

async function writeWhole(
  response: NodeResponse,
  reply: HttpReply & { readonly body: string | Uint8Array },
  request: Http2ServerRequest,
): Promise<void> {
  const bytes = typeof reply.body === 'string' ? Buffer.from(reply.body) : reply.body;
  const accepts = String(request.headers['accept-encoding'] ?? '');
  const isGzip = bytes.length >= GZIP_BYTES_MIN && /\bgzip\b/.test(accepts);
  const content = isGzip ? await compress(bytes, { level: GZIP_LEVEL }) : bytes;
  response.writeHead(reply.status, {
    ...reply.headers,
    'content-length': content.length,
    ...(isGzip && { 'content-encoding': 'gzip', vary: 'Accept-Encoding' }),
  });
  if (request.method === 'HEAD') response.end();
  else response.end(content);
}
