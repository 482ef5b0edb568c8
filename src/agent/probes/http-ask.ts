import http from 'node:http';
import https from 'node:https';
import type { Container, HTTPGetAction } from '#api/generated/core-v1.ts';

interface AskTarget {
  /** The pod's; where the action names no host. */
  readonly address: string;
  readonly container: Container;
}

interface AskOptions {
  readonly userAgent: string;
  readonly signal: AbortSignal;
}

const REDIRECTS_MAX = 10;

/**
 * What a GET is answered with: the status of the last answer. Redirects are followed on the same host only; of one that
 * leads elsewhere the status itself is the answer. Throws what went wrong in words.
 */
export async function askHttp(
  { host, port, path = '/', scheme = 'HTTP', httpHeaders = [] }: HTTPGetAction,
  target: AskTarget,
  { userAgent, signal }: AskOptions,
): Promise<number> {
  const headers: Record<string, string | string[]> = { 'user-agent': userAgent, accept: '*/*' };
  const own = Object.groupBy(httpHeaders, ({ name }) => name.toLowerCase());
  for (const [name, values = []] of Object.entries(own)) {
    const texts = values.map(({ value }) => value);
    headers[name] = texts.length === 1 ? texts.join() : texts;
  }
  const authority = `${host || target.address}:${portNumber(port, target.container)}`;
  const rooted = path.startsWith('/') ? path : `/${path}`;
  let url = new URL(`${scheme.toLowerCase()}://${authority}${rooted}`);
  const { hostname } = url;
  for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects += 1) {
    const { status, location } = await get(url, headers, signal);
    if (status < 300 || status >= 400 || location === undefined) return status;
    const next = new URL(location, url);
    if (next.hostname !== hostname || !/^https?:$/.test(next.protocol)) return status;
    url = next;
  }
  throw new Error(`Get "${url.href}": stopped after ${REDIRECTS_MAX} redirects`);
}

/** The number of a port that may be one of the container's names. */
export function portNumber(port: number | string, container: Container): number {
  if (typeof port === 'number') return port;
  if (/^\d+$/.test(port)) return Number(port);
  const found = container.ports?.find(({ name }) => name === port)?.containerPort;
  if (found === undefined)
    throw new Error(`container "${container.name}" has no port named "${port}"`);
  return found;
}

async function get(
  url: URL,
  headers: Record<string, string | string[]>,
  signal: AbortSignal,
): Promise<{ readonly status: number; readonly location: string | undefined }> {
  const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
  const request = (url.protocol === 'https:' ? https : http).get(url, {
    headers,
    agent: false,
    // A probe asks whether the program lives, not who it is (core/v1 HTTPGetAction).
    ...(url.protocol === 'https:' && { rejectUnauthorized: false }),
    signal,
  });
  request.once('response', resolve);
  request.on('error', reject);
  try {
    const { statusCode = 0, headers: answered } = await promise;
    return { status: statusCode, location: answered.location };
  } catch (error) {
    if (!signal.aborted)
      throw new Error(`Get "${url.href}": ${messageOf(error)}`, { cause: error });
    const late = 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)';
    throw new Error(`Get "${url.href}": ${late}`, { cause: error });
  } finally {
    // Whatever the body is, nobody reads it.
    request.destroy();
  }
}

/** As people know it from Kubernetes. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // What http2 says of a stream whose connection could not be made.
  if (error.cause instanceof Error) return messageOf(error.cause);
  const { code, address, port } = error as NodeJS.ErrnoException & {
    readonly address?: string;
    readonly port?: number;
  };
  if (code === 'ECONNREFUSED') return `dial tcp ${address}:${port}: connect: connection refused`;
  return code === 'ECONNRESET' ? 'read: connection reset by peer' : error.message;
}
