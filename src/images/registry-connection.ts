import { type BackoffPolicy, backoffMs } from '#base/backoff.ts';
import { type Clock, sleep } from '#base/clock.ts';
import type { Random } from '#base/random.ts';
import { ImageError, type RegistryCredentials } from './image.ts';
import { isLoopback } from './reference.ts';
import { parseChallenge, RegistryAuth } from './registry-auth.ts';

export interface RegistryConnectionOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Hosts spoken to by plain HTTP besides localhost and loopback addresses; none unless told. */
  readonly isInsecure?: (host: string) => boolean;
  /** What to present to a registry that asks; nothing unless told. */
  readonly credentials?: (host: string) => RegistryCredentials | undefined;
}

export interface Call {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array<ArrayBuffer> | Blob;
  /** What the token must allow besides the repository's scope. */
  readonly access: 'pull' | 'pull,push';
  /** Statuses to hand back; every other one is thrown as ImageError. */
  readonly accept: readonly number[];
  readonly signal: AbortSignal;
}

const RETRY: BackoffPolicy = { firstMs: 300, maxMs: 10_000, jitter: 0.5 };
const ATTEMPTS_MAX = 5;
const RETRY_AFTER_MS_MAX = 30_000;
/** Until a registry has begun to answer, uploads aside. */
const ANSWER_TIMEOUT_MS = 30_000;
const ERROR_CHARACTERS_MAX = 300;

/** HTTP with registries: which scheme, tokens, retries. One per process; connections are shared by `fetch`. */
export class RegistryConnection {
  readonly #options: RegistryConnectionOptions;
  readonly #auth: RegistryAuth;

  constructor(options: RegistryConnectionOptions) {
    this.#options = options;
    this.#auth = new RegistryAuth(options.clock);
  }

  /** The address of something below a registry's `/v2/`. */
  urlOf(domain: string, path: string): URL {
    const host = domain === 'docker.io' ? 'registry-1.docker.io' : domain;
    const isPlain = isLoopback(host) || (this.#options.isInsecure?.(host) ?? false);
    return new URL(`/v2/${path}`, `${isPlain ? 'http' : 'https'}://${host}`);
  }

  /**
   * Calls a registry for one repository. Connection errors, 429 and 5xx are tried again with jittered back-off; a 401 is
   * answered once. The caller reads or cancels the body. Throws ImageError, or the signal's reason.
   */
  async call(url: URL, repository: string, call: Call): Promise<Response> {
    for (let attempt = 1; ; attempt += 1) {
      const outcome = await this.#attempt(url, repository, call);
      if (outcome instanceof Response && call.accept.includes(outcome.status)) return outcome;
      const error = outcome instanceof Response ? await refusal(outcome, url) : outcome;
      if (error.reason !== 'Unavailable' || attempt >= ATTEMPTS_MAX) throw error;
      const askedMs = outcome instanceof Response ? retryAfterMs(outcome) : 0;
      const delayMs = Math.max(askedMs, backoffMs(RETRY, attempt, this.#options.random));
      await sleep(this.#options.clock, delayMs, call.signal);
    }
  }

  async #attempt(url: URL, repository: string, call: Call): Promise<Response | ImageError> {
    try {
      const scope = `repository:${repository}:${call.access}`;
      const reply = await this.#fetch(url, call, this.#auth.known(url, scope));
      const challenge = parseChallenge(reply.headers.get('www-authenticate') ?? '');
      if (reply.status !== 401 || !challenge) return reply;
      await reply.body?.cancel();
      this.#auth.forget(url, scope);
      const { signal } = call;
      const credentials = this.#options.credentials?.(url.host);
      const header = await this.#auth.answer({
        challenge,
        registry: url,
        scope,
        credentials,
        signal,
      });
      return await this.#fetch(url, call, header);
    } catch (error) {
      call.signal.throwIfAborted();
      if (error instanceof ImageError) return error;
      return new ImageError('Unavailable', `registry ${url.host}: ${causeOf(error)}`, error);
    }
  }

  async #fetch(url: URL, call: Call, authorization: string | undefined): Promise<Response> {
    const late = new AbortController();
    const refuse = (): void =>
      late.abort(new Error(`no answer within ${ANSWER_TIMEOUT_MS / 1000} seconds`));
    // How long an upload takes is the upload's own matter.
    using _timer = call.body ? undefined : this.#options.clock.after(ANSWER_TIMEOUT_MS, refuse);
    return await fetch(url, {
      method: call.method,
      // A blob must arrive as it is stored, or its digest is another.
      headers: {
        'accept-encoding': 'identity',
        ...call.headers,
        ...(authorization && { authorization }),
      },
      signal: AbortSignal.any([call.signal, late.signal]),
      ...(call.body && { body: call.body }),
    });
  }
}

async function refusal(reply: Response, url: URL): Promise<ImageError> {
  const said = errorText(await reply.text().catch(() => ''));
  const what = `registry ${url.host}: ${url.pathname}: status ${reply.status}${said}`;
  if (reply.status === 404) return new ImageError('NotFound', what);
  if (reply.status === 401 || reply.status === 403) return new ImageError('Unauthorized', what);
  const isPassing = reply.status === 408 || reply.status === 429 || reply.status >= 500;
  return new ImageError(isPassing ? 'Unavailable' : 'Invalid', what);
}

/** The registry's own words, from the distribution specification's error body. */
function errorText(body: string): string {
  const messages = [...body.matchAll(/"(?:message|code)"\s*:\s*"((?:[^"\\]|\\.)*)"/g)];
  const text = messages.map(([, message]) => message).join(': ');
  return text === '' ? '' : `: ${text.slice(0, ERROR_CHARACTERS_MAX)}`;
}

function retryAfterMs(reply: Response): number {
  const seconds = Number(reply.headers.get('retry-after') ?? 0);
  return Number.isFinite(seconds) ? Math.min(seconds * 1000, RETRY_AFTER_MS_MAX) : 0;
}

/** `fetch` says only "fetch failed"; the reason is its cause. */
function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? causeOf(error.cause) : error.message || error.name;
}
