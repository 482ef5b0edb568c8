import { createReadStream } from 'node:fs';
import {
  Agent as HttpAgent,
  type IncomingMessage,
  request as httpRequest,
  type RequestOptions,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { pipeline } from 'node:stream/promises';
import { getCACertificates } from 'node:tls';
import type { Clock } from '#base/clock.ts';
import { ImageError } from '../image.ts';

/** Whom to believe over TLS, and what to show; PEM. */
export interface Trust {
  /** Besides the authorities that the machine trusts. */
  readonly ca?: string;
  readonly certificate?: string;
  readonly key?: string;
  /** Believes whoever answers. */
  readonly isUnverified?: boolean;
}

/** A file is sent with its length, and read as it is sent; again where a registry redirects. */
type RequestBody = Uint8Array | { readonly file: string; readonly size: number };

export interface RegistryRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: RequestBody;
  readonly trust?: Trust | undefined;
  readonly signal: AbortSignal;
}

/** Until a registry has begun to answer, uploads aside. */
const ANSWER_TIMEOUT_MS = 30_000;
/** An upload on which nothing moves for so long has failed; a registry may take its time over the last byte. */
const UPLOAD_IDLE_MS = 300_000;
/** To one registry, however many images come from it: one that is slow takes nothing from the others. */
const CONNECTIONS_MAX = 8;
const KEPT_MS = 30_000;
const REDIRECTS_MAX = 5;

/** HTTP/1.1 with any registry, over connections that are kept. Redirects are followed without the authorization. */
export class RegistryHttp {
  readonly #clock: Clock;
  readonly #plain = new HttpAgent(AGENT_OPTIONS);
  readonly #secure = new Map<string, HttpsAgent>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The caller reads or discards the answer. Rejects with the system's own error, or the signal's reason. */
  async request(url: URL, request: RegistryRequest): Promise<RegistryAnswer> {
    let current = { url, request };
    for (let redirects = 0; ; redirects += 1) {
      const answer = await this.#exchange(current.url, current.request);
      const next = redirectOf(answer, current.request);
      if (!next) return answer;
      answer.discard();
      if (redirects >= REDIRECTS_MAX)
        throw new ImageError(
          'Invalid',
          `registry ${url.host}: it redirects more than ${REDIRECTS_MAX} times`,
        );
      current = next;
    }
  }

  async #exchange(url: URL, request: RegistryRequest): Promise<RegistryAnswer> {
    const { method, headers, body, trust, signal } = request;
    const late = new AbortController();
    const size = body instanceof Uint8Array ? body.length : body?.size;
    const options: RequestOptions = {
      method,
      // A blob must arrive as it is stored, or its digest is another.
      headers: {
        'accept-encoding': 'identity',
        'user-agent': 'knode',
        ...headers,
        ...(size !== undefined && { 'content-length': `${size}` }),
      },
      signal: AbortSignal.any([signal, late.signal]),
    };
    const call =
      url.protocol === 'https:'
        ? httpsRequest(url, { ...options, agent: this.#secureAgent(trust) })
        : httpRequest(url, { ...options, agent: this.#plain });
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    call.once('response', resolve);
    // Stays: what breaks after the answer began is told by the answer.
    call.on('error', reject);
    using timers = new DisposableStack();
    if (body) call.setTimeout(UPLOAD_IDLE_MS, () => call.destroy(stalled(UPLOAD_IDLE_MS)));
    // Only from here on is it the registry's time; before, the request waits for a connection.
    else
      call.once('socket', () => {
        const refuse = (): void => late.abort(stalled(ANSWER_TIMEOUT_MS));
        if (!timers.disposed) timers.use(this.#clock.after(ANSWER_TIMEOUT_MS, refuse));
      });
    if (!body || body instanceof Uint8Array) call.end(body);
    // A registry may answer before it has all of it; what becomes of the rest is told by the call.
    else pipeline(createReadStream(body.file), call).catch(() => undefined);
    try {
      const message = await promise;
      const release = (): void => {
        if (!call.writableFinished) call.destroy();
      };
      return new RegistryAnswer({ url, body: message, clock: this.#clock, release });
    } catch (error) {
      signal.throwIfAborted();
      late.signal.throwIfAborted();
      throw error;
    }
  }

  #secureAgent(trust: Trust = {}): HttpsAgent {
    const key = JSON.stringify(trust);
    const known = this.#secure.get(key);
    if (known) return known;
    const { ca, certificate, key: privateKey, isUnverified } = trust;
    const agent = new HttpsAgent({
      ...AGENT_OPTIONS,
      ca: [...trustedByMachine(), ...(ca ? [ca] : [])],
      ...(certificate && privateKey && { cert: certificate, key: privateKey }),
      rejectUnauthorized: !isUnverified,
    });
    this.#secure.set(key, agent);
    return agent;
  }
}

const AGENT_OPTIONS = { keepAlive: true, maxSockets: CONNECTIONS_MAX, timeout: KEPT_MS };

/** Node's own list, and what the machine's administrator added to the system's. */
function trustedByMachine(): readonly string[] {
  return [...new Set([...getCACertificates('default'), ...getCACertificates('system')])];
}

function stalled(ms: number): Error {
  return new Error(`no answer within ${ms / 1000} seconds`);
}

interface AnswerParts {
  readonly url: URL;
  readonly body: IncomingMessage;
  readonly clock: Clock;
  readonly release: () => void;
}

/** What a registry said; its body streams. */
export class RegistryAnswer {
  readonly url: URL;
  readonly status: number;
  readonly body: IncomingMessage;
  readonly #clock: Clock;
  readonly #release: () => void;

  constructor({ url, body, clock, release }: AnswerParts) {
    this.url = url;
    this.#clock = clock;
    // An answer to a request of ours always has one.
    this.status = body.statusCode ?? 0;
    this.body = body;
    this.#release = release;
    body.on('error', () => undefined);
  }

  header(name: string): string | undefined {
    const value = this.body.headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  }

  /** The whole body as text; undefined beyond `charactersMax`, when it breaks off, and when it takes too long to come. */
  async text(charactersMax: number): Promise<string | undefined> {
    let text = '';
    using _late = this.#clock.after(ANSWER_TIMEOUT_MS, () => void this.body.destroy());
    try {
      for await (const chunk of this.body.setEncoding('utf8')) {
        text += chunk as string;
        if (text.length > charactersMax) return undefined;
      }
      return text;
    } catch {
      return undefined;
    } finally {
      this.#release();
    }
  }

  /** Gives the connection back; a body that is not wanted costs its connection. */
  discard(): void {
    if (this.body.headers['content-length'] === '0' || this.body.complete) this.body.resume();
    else this.body.destroy();
    this.#release();
  }
}

/** The next request where the answer sends elsewhere; a write is repeated only where the status says so. */
function redirectOf(
  answer: RegistryAnswer,
  request: RegistryRequest,
): { readonly url: URL; readonly request: RegistryRequest } | undefined {
  const { status, url } = answer;
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  const isRedirect = isRead ? [301, 302, 303, 307, 308] : [307, 308];
  const next = isRedirect.includes(status) && URL.parse(answer.header('location') ?? '', url);
  if (!next) return undefined;
  if (next.protocol !== 'https:' && next.protocol !== url.protocol)
    throw new ImageError(
      'Invalid',
      `registry ${url.host}: it redirects to ${next.protocol}//${next.host}, wanted https`,
    );
  if (next.origin === url.origin) return { url: next, request };
  const { authorization: _secret, ...headers } = request.headers ?? {};
  // Another host is believed as the machine believes it.
  return { url: next, request: { ...request, headers, trust: undefined } };
}
