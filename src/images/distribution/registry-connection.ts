import { type BackoffPolicy, backoffMs } from '#base/backoff.ts';
import { type Clock, sleep } from '#base/clock.ts';
import type { Random } from '#base/random.ts';
import { ImageError, type RegistryCredentials } from '../image.ts';
import { plainRegistries, type Registries, type RegistryHost } from './registries.ts';
import { parseChallenge, REMEDY, RegistryAuth } from './registry-auth.ts';
import { type RegistryAnswer, RegistryHttp, type RegistryRequest } from './registry-http.ts';

export interface RegistryConnectionOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Mirrors, authorities and credentials of this machine; asked for every call. Nothing configured unless told. */
  readonly registries?: () => Promise<Registries>;
}

export interface Call extends Omit<RegistryRequest, 'trust'> {
  readonly repository: string;
  /** What a token must allow. */
  readonly access: 'pull' | 'pull,push';
  /** What to present to a registry that asks, in the order to try. */
  readonly credentials: readonly RegistryCredentials[];
  /** Statuses to hand back; every other one is thrown as ImageError. */
  readonly accept: readonly number[];
}

/** A call whose answer is read before it counts as one. */
interface Reading<T> extends Call {
  readonly take: (answer: RegistryAnswer) => Promise<T>;
}

const RETRY: BackoffPolicy = { firstMs: 300, maxMs: 10_000, jitter: 0.5 };
const ATTEMPTS_MAX = 5;
/** Of a mirror: what it cannot give, the registry itself can. */
const MIRROR_ATTEMPTS_MAX = 2;
const RETRY_AFTER_MS_MAX = 30_000;
const ERROR_CHARACTERS_MAX = 300;
const ERROR_BODY_CHARACTERS_MAX = 64 * 1024;

/** HTTP with registries: where they are, tokens, retries. One per process. */
export class RegistryConnection {
  readonly #options: RegistryConnectionOptions;
  readonly #http: RegistryHttp;
  readonly #auth: RegistryAuth;

  constructor(options: RegistryConnectionOptions) {
    this.#options = options;
    this.#http = new RegistryHttp(options.clock);
    this.#auth = new RegistryAuth(options.clock);
  }

  /** Where to pull from, in the order to ask; the last one is the registry itself, where to push to. */
  async hostsOf(domain: string): Promise<readonly RegistryHost[]> {
    return (await this.#registries()).hostsOf(domain);
  }

  /**
   * Calls a registry for one repository. Connection errors, 408, 429 and 5xx are tried again with jittered back-off, no
   * sooner than the registry says; a 401 is answered once. The caller reads or discards the answer. Throws ImageError, or
   * the signal's reason; where a pause before the next attempt is cut short, what the last one said.
   */
  async call(host: RegistryHost, path: string, call: Call): Promise<RegistryAnswer> {
    return await this.read(host, path, { ...call, take: async (answer) => answer });
  }

  /** As `call`, with what `take` makes of the answer; where it throws `Unavailable`, that is tried again as well. */
  async read<T>({ base, isMirror }: RegistryHost, path: string, call: Reading<T>): Promise<T> {
    const { clock, random } = this.#options;
    const url = new URL(path, base);
    const attemptsMax = isMirror ? MIRROR_ATTEMPTS_MAX : ATTEMPTS_MAX;
    for (let attempt = 1; ; attempt += 1) {
      const asked = await this.#attempt(url, call, { isMirror });
      const outcome = asked.error ? asked : await taken(asked.answer, call);
      if (!outcome.error) return outcome.value;
      const { error } = outcome;
      if (error.reason !== 'Unavailable' || attempt >= attemptsMax) throw error;
      const askedMs = asked.answer ? retryAfterMs(asked.answer, clock) : 0;
      const delayMs = Math.max(askedMs, backoffMs(RETRY, attempt, random));
      await sleep(clock, delayMs, call.signal).catch((cut: unknown) => {
        throw call.signal.aborted ? error : cut;
      });
    }
  }

  async #attempt(
    url: URL,
    call: Call,
    { isMirror }: { readonly isMirror: boolean },
  ): Promise<Attempt> {
    try {
      const own = (await this.#registries()).credentialsOf(url.host);
      // A mirror is somebody else: it gets nothing of the registry's.
      const given = [...(isMirror ? [] : call.credentials), ...(own ? [own] : [])];
      const candidates = given.length > 0 ? given : [undefined];
      let outcome: Attempt | undefined;
      for (const credentials of candidates) {
        outcome = await this.#attemptAs(credentials, url, call);
        if (outcome.error?.reason !== 'Unauthorized') break;
      }
      // There is always one candidate.
      return outcome ?? { error: new ImageError('Unauthorized', `registry ${url.host}`) };
    } catch (error) {
      call.signal.throwIfAborted();
      if (error instanceof ImageError) return { error };
      return { error: unreachable(error, url) };
    }
  }

  async #attemptAs(
    credentials: RegistryCredentials | undefined,
    url: URL,
    call: Call,
  ): Promise<Attempt> {
    const login = {
      registry: url,
      scope: `repository:${call.repository}:${call.access}`,
      credentials,
    };
    const first = await this.#request(url, call, this.#auth.known(login));
    const challenge = parseChallenge(first.header('www-authenticate') ?? '');
    if (first.status !== 401 || !challenge) return await outcomeOf(first, url, call);
    first.discard();
    this.#auth.forget(login);
    try {
      const authorization = await this.#auth.answer({
        ...login,
        challenge,
        get: async (realm, headers) =>
          await this.#request(realm, { method: 'GET', headers, signal: call.signal }),
      });
      return await outcomeOf(await this.#request(url, call, authorization), url, call);
    } catch (error) {
      if (error instanceof ImageError) return { error };
      throw error;
    }
  }

  async #request(
    url: URL,
    request: RegistryRequest,
    authorization?: string,
  ): Promise<RegistryAnswer> {
    const { method, headers, body, signal } = request;
    return await this.#http.request(url, {
      method,
      signal,
      headers: { ...headers, ...(authorization !== undefined && { authorization }) },
      ...(body && { body }),
      trust: (await this.#registries()).trustOf(url.host),
    });
  }

  async #registries(): Promise<Registries> {
    return (await this.#options.registries?.()) ?? plainRegistries;
  }
}

type Attempt =
  | { readonly answer: RegistryAnswer; readonly error?: undefined }
  | { readonly answer?: RegistryAnswer; readonly error: ImageError };

async function taken<T>(
  answer: RegistryAnswer,
  { take, signal }: Reading<T>,
): Promise<
  | { readonly value: T; readonly error?: undefined }
  | { readonly value?: undefined; readonly error: ImageError }
> {
  try {
    return { value: await take(answer) };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof ImageError) return { error };
    throw error;
  }
}

async function outcomeOf(answer: RegistryAnswer, url: URL, call: Call): Promise<Attempt> {
  if (call.accept.includes(answer.status)) return { answer };
  return { answer, error: await refusal(answer, url) };
}

async function refusal(answer: RegistryAnswer, url: URL): Promise<ImageError> {
  const { status } = answer;
  const said = errorText((await answer.text(ERROR_BODY_CHARACTERS_MAX)) ?? '');
  const what = `registry ${url.host}: ${url.pathname}: status ${status}${said}`;
  if (status === 404) return new ImageError('NotFound', what);
  if (status === 401 || status === 403) return new ImageError('Unauthorized', `${what}; ${REMEDY}`);
  if (status === 429)
    return new ImageError(
      'Unavailable',
      `${what}; it limits how often it is asked: log in with a pull secret, or use a mirror`,
    );
  return new ImageError(status === 408 || status >= 500 ? 'Unavailable' : 'Invalid', what);
}

/** The registry's own words, from the distribution specification's error body. */
function errorText(body: string): string {
  const messages = [...body.matchAll(/"(?:message|code)"\s*:\s*"((?:[^"\\]|\\.)*)"/g)];
  const text = messages.map(([, message]) => message).join(': ');
  return text === '' ? '' : `: ${text.slice(0, ERROR_CHARACTERS_MAX)}`;
}

/** Seconds or a date (RFC 9110 §10.2.3). */
function retryAfterMs(answer: RegistryAnswer, clock: Clock): number {
  const text = answer.header('retry-after') ?? '';
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - clock.now().getTime();
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), RETRY_AFTER_MS_MAX) : 0;
}

/** The system's own words, with what a person can do about them. What is wrong with TLS does not heal by itself. */
function unreachable(error: unknown, { host }: URL): ImageError {
  const message = `registry ${host}: ${messageOf(error)}`;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const failed = (reason: ImageError['reason'], remedy: string): ImageError =>
    new ImageError(reason, `${message}${remedy}`, error);
  if (/CERT|SELF_SIGNED|UNABLE_TO_(?:VERIFY|GET_ISSUER)/.test(code))
    return failed(
      'Invalid',
      '; name its authority in registries.yaml, under configs, tls, ca_file',
    );
  if (code === 'EPROTO' || /wrong version/.test(message))
    return failed(
      'Invalid',
      '; if it speaks plain HTTP, give it an http:// endpoint in registries.yaml, under mirrors',
    );
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return failed('Unavailable', '; is the name right, and can this machine look it up?');
  return failed('Unavailable', '');
}

/** Where every address of a host fails, the reasons are inside. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return messageOf(error.errors[0]);
  if (!(error instanceof Error)) return String(error);
  return error.message || error.name;
}
