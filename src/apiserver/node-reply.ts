import { once, type EventEmitter } from 'node:events';
import type { Http2ServerRequest } from 'node:http2';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Clock } from '#base/clock.ts';
import type { HttpReply } from '#base/http-message.ts';

/** As Kubernetes: smaller bodies are not worth the time. */
const GZIP_BYTES_MIN = 128 * 1024;
const GZIP_LEVEL = 4;
/** A client that takes nothing of what is written to it for this long is gone, whatever its connection says. */
const STALL_MS = 30_000;
/** What a client that stalls makes wait in memory besides the reply itself. */
const PIECE_BYTES = 64 * 1024;
/** What a reply that says nothing of it may be kept for: it is for whoever asked, and for now. */
const NEVER_KEPT = 'no-cache, private';
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

interface Writing {
  readonly request: Http2ServerRequest;
  readonly clock: Clock;
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal;
}

/** A client that does not read what it asked for. */
export class Stalled extends Error {
  override readonly name = 'Stalled';
  constructor() {
    super(`Cannot go on with a reply: its client has read nothing for ${STALL_MS / 1000} s`);
  }
}

/**
 * Writes a reply as fast as the client reads; stops and releases it when `signal` aborts. Resolves when nothing of it is
 * held any more. Throws Stalled.
 */
export async function writeReply(
  response: NodeResponse,
  reply: HttpReply,
  writing: Writing,
): Promise<void> {
  const { body } = reply;
  if (typeof body === 'string' || body instanceof Uint8Array) {
    await writeWhole(response, { ...reply, body }, writing);
    return;
  }
  response.writeHead(reply.status, wireHeaders(reply.headers));
  // Clients wait for the head of a watch before its first event, which may be long in coming.
  response.flushHeaders?.();
  for await (const chunk of body) {
    if (writing.signal.aborted) break;
    if (!response.write(chunk)) await drained(response, writing);
  }
  response.end();
}

async function writeWhole(
  response: NodeResponse,
  reply: HttpReply & { readonly body: string | Uint8Array },
  writing: Writing,
): Promise<void> {
  const { request, signal } = writing;
  const bytes = typeof reply.body === 'string' ? Buffer.from(reply.body) : reply.body;
  const accepts = String(request.headers['accept-encoding'] ?? '');
  const isGzip = bytes.length >= GZIP_BYTES_MIN && /\bgzip\b/.test(accepts);
  const content = isGzip ? await compress(bytes, { level: GZIP_LEVEL }) : bytes;
  response.writeHead(reply.status, {
    ...wireHeaders(reply.headers),
    // RFC 9110 section 8.6: not where there cannot be any.
    ...(reply.status !== 204 && { 'content-length': content.length }),
    ...(isGzip && { 'content-encoding': 'gzip', vary: 'Accept-Encoding' }),
  });
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  let at = 0;
  for (; content.length - at > PIECE_BYTES && !signal.aborted; at += PIECE_BYTES) {
    if (!response.write(content.subarray(at, at + PIECE_BYTES))) await drained(response, writing);
  }
  response.end(content.subarray(at));
}

async function drained(response: NodeResponse, { clock, signal }: Writing): Promise<void> {
  const stalled = new AbortController();
  using _limit = clock.after(STALL_MS, () => stalled.abort());
  try {
    await once(response, 'drain', { signal: AbortSignal.any([signal, stalled.signal]) });
  } catch (error) {
    throw stalled.signal.aborted ? new Stalled() : error;
  }
}

/** A warning may quote what somebody wrote in any script: header values are bytes to HTTP, and Latin-1 to Node. */
function wireHeaders(given: HttpReply['headers']): Record<string, string> {
  const headers = { 'cache-control': NEVER_KEPT, ...given };
  const { warning } = given;
  if (warning === undefined) return headers;
  return { ...headers, warning: Buffer.from(warning).toString('latin1') };
}
