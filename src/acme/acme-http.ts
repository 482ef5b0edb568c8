import { request as secureRequest } from 'node:https';
import type { IncomingHttpHeaders } from 'node:http';
import { rootCertificates } from 'node:tls';
import type { Clock } from '#base/clock.ts';
import { AcmeError, problemText, problemType, type Problem } from './acme-error.ts';

/** Directories, orders and chains are some kilobytes. */
const BODY_BYTES_MAX = 1024 * 1024;
const TIMEOUT_MS = 30_000;
/** A server that asks for more is asked again after a day all the same. */
const RETRY_AFTER_MS_MAX = 24 * 60 * 60 * 1000;

export interface AcmeReply {
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly retryAfterMs: number | undefined;
}

export interface AcmeRequest {
  readonly url: string;
  readonly method: 'GET' | 'HEAD' | 'POST';
  readonly body?: string;
}

export interface AcmeHttpOptions {
  /** PEM of authorities that the server is known by beside the usual ones. */
  readonly roots: string;
  readonly clock: Clock;
}

/** One request by TLS. Throws AcmeError, with the nonce of the reply where it has one. */
export async function acmeRequest(
  { url, method, body }: AcmeRequest,
  { roots, clock }: AcmeHttpOptions,
  signal: AbortSignal,
): Promise<AcmeReply> {
  const until = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
  const { status, headers, text } = await exchanged({ url, method, body, roots, until }).catch(
    (cause: unknown) => {
      signal.throwIfAborted();
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new AcmeError(`${new URL(url).origin} does not answer: ${why}`, { cause });
    },
  );
  const retryAfterMs = parseRetryAfter(headers['retry-after'], clock.now());
  if (status < 400) return { headers, text, retryAfterMs };
  const problem = parseProblem(text);
  throw new RefusedRequest(problemText(problem), {
    type: problemType(problem),
    status,
    retryAfterMs,
    nonce: nonceOf(headers),
  });
}

/** An answer that is a refusal; its nonce may be used for the next request. */
export class RefusedRequest extends AcmeError {
  readonly nonce: string | undefined;

  constructor(
    message: string,
    options: ConstructorParameters<typeof AcmeError>[1] & { nonce: string | undefined },
  ) {
    super(message, options);
    this.nonce = options.nonce;
  }
}

export function nonceOf(headers: IncomingHttpHeaders): string | undefined {
  const { 'replay-nonce': nonce } = headers;
  return typeof nonce === 'string' ? nonce : undefined;
}

interface Exchange {
  readonly url: string;
  readonly method: string;
  readonly body: string | undefined;
  readonly roots: string;
  readonly until: AbortSignal;
}

interface Exchanged {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

async function exchanged({ url, method, body, roots, until }: Exchange): Promise<Exchanged> {
  const { promise, resolve, reject } = Promise.withResolvers<Exchanged>();
  const request = secureRequest(url, {
    method,
    signal: until,
    // A connection of its own: there are seconds between requests, and days between orders.
    agent: false,
    ...(roots !== '' && { ca: [...rootCertificates, roots] }),
    headers: {
      'user-agent': 'knode',
      ...(body !== undefined && {
        'content-type': 'application/jose+json',
        'content-length': Buffer.byteLength(body),
      }),
    },
  });
  request.once('error', reject);
  request.once('response', (response) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > BODY_BYTES_MAX) request.destroy(new Error(`more than ${BODY_BYTES_MAX} bytes`));
      else chunks.push(chunk);
    });
    response.once('error', reject);
    response.once('end', () => {
      const { statusCode: status = 0, headers } = response;
      resolve({ status, headers, text: Buffer.concat(chunks).toString() });
    });
  });
  request.end(body);
  return await promise;
}

/** Seconds, or a date (RFC 9110 §10.2.3). */
function parseRetryAfter(text: string | undefined, now: Date): number | undefined {
  if (text === undefined) return undefined;
  const waitMs = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - now.getTime();
  if (Number.isNaN(waitMs)) return undefined;
  return Math.min(Math.max(waitMs, 0), RETRY_AFTER_MS_MAX);
}

function parseProblem(text: string): Problem {
  try {
    const parsed: unknown = JSON.parse(text);
    // Every field is looked at as if it might be missing.
    return typeof parsed === 'object' && parsed !== null ? (parsed as Problem) : { detail: text };
  } catch {
    // Something between us and the server answered.
    return { detail: text.slice(0, 200) };
  }
}
