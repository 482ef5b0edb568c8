import type { Clock } from '#base/clock.ts';
import { ImageError, type RegistryCredentials } from './image.ts';

/** What a 401 asks for (RFC 9110 §11.6.1, and the distribution project's token specification). */
export interface Challenge {
  readonly scheme: 'basic' | 'bearer';
  readonly parameters: Readonly<Record<string, string>>;
}

/** The first challenge that can be met; undefined when there is none. */
export function parseChallenge(header: string): Challenge | undefined {
  const scheme = /^\s*(basic|bearer)\b/i.exec(header)?.[1]?.toLowerCase();
  if (scheme !== 'basic' && scheme !== 'bearer') return undefined;
  const pairs = [...header.matchAll(/([a-zA-Z_]+)\s*=\s*(?:"([^"]*)"|([^\s,"]+))/g)];
  const parameters = pairs.map(
    ([, name = '', quoted, bare]) => [name.toLowerCase(), quoted ?? bare ?? ''] as const,
  );
  return { scheme, parameters: Object.fromEntries(parameters) };
}

export interface TokenRequest {
  readonly challenge: Challenge;
  /** Where the 401 came from. */
  readonly registry: URL;
  /** `repository:library/nginx:pull`: what is about to be done. */
  readonly scope: string;
  readonly credentials: RegistryCredentials | undefined;
  readonly signal: AbortSignal;
}

/** Registries that do not say how long a token lives mean a minute. */
const TOKEN_LIFE_DEFAULT_S = 60;
/** A token is not used in its last moments: the request has to arrive, too. */
const TOKEN_MARGIN_MS = 10_000;
const TOKENS_MAX = 1000;
const TOKEN_ANSWER_CHARACTERS_MAX = 256 * 1024;

/** Authorization headers for registries, remembered while they are valid. */
export class RegistryAuth {
  readonly #clock: Clock;
  readonly #known = new Map<string, { readonly header: string; readonly untilMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The header that last worked for that scope, if it is still good. */
  known(registry: URL, scope: string): string | undefined {
    const found = this.#known.get(keyOf(registry, scope));
    return found && found.untilMs > this.#clock.monotonicMs() ? found.header : undefined;
  }

  forget(registry: URL, scope: string): void {
    this.#known.delete(keyOf(registry, scope));
  }

  /** Meets a challenge. Throws ImageError `Unauthorized` when that needs credentials that there are not. */
  async answer(request: TokenRequest): Promise<string> {
    const { challenge, registry, scope, credentials } = request;
    if (challenge.scheme === 'bearer') {
      const { token, lifeMs } = await fetchToken(request);
      return this.#remember(keyOf(registry, scope), `Bearer ${token}`, lifeMs - TOKEN_MARGIN_MS);
    }
    if (!credentials)
      throw new ImageError(
        'Unauthorized',
        `registry ${registry.host}: it asks for a user name and a password, and none are known`,
      );
    return this.#remember(keyOf(registry, scope), basic(credentials), Infinity);
  }

  #remember(key: string, header: string, lifeMs: number): string {
    if (this.#known.size >= TOKENS_MAX) this.#known.clear();
    this.#known.set(key, { header, untilMs: this.#clock.monotonicMs() + lifeMs });
    return header;
  }
}

async function fetchToken(request: TokenRequest): Promise<{ token: string; lifeMs: number }> {
  const { challenge, registry, scope, credentials, signal } = request;
  const { realm = '', service } = challenge.parameters;
  const url = URL.parse(realm);
  const isSafe =
    url?.protocol === 'https:' || (url?.protocol === 'http:' && registry.protocol === 'http:');
  if (!url || !isSafe)
    throw new ImageError(
      'Invalid',
      `registry ${registry.host}: it sends for tokens to ${JSON.stringify(realm)}, wanted an https address`,
    );
  if (service !== undefined) url.searchParams.set('service', service);
  url.searchParams.set('scope', scope);
  const reply = await fetch(url, {
    headers: credentials ? { authorization: basic(credentials) } : {},
    signal,
  });
  if (!reply.ok) {
    await reply.body?.cancel();
    throw refusal(reply.status, `registry ${registry.host}: no token for ${scope}`);
  }
  return parseToken(await reply.text(), registry);
}

function refusal(status: number, what: string): ImageError {
  const reason = status >= 500 || status === 429 ? 'Unavailable' : 'Unauthorized';
  return new ImageError(reason, `${what}: status ${status}`);
}

function parseToken(text: string, registry: URL): { token: string; lifeMs: number } {
  const refused = (why: string): ImageError =>
    new ImageError('Invalid', `registry ${registry.host}: its token answer ${why}`);
  if (text.length > TOKEN_ANSWER_CHARACTERS_MAX) throw refused('is too long');
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch (error) {
    throw new ImageError(
      'Invalid',
      `registry ${registry.host}: its token answer is not JSON`,
      error,
    );
  }
  if (typeof answer !== 'object' || answer === null) throw refused('is not an object');
  const { token, access_token: accessToken, expires_in: lifeS } = answer as Record<string, unknown>;
  const value = token ?? accessToken;
  if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value)) throw refused('holds no token');
  const isLife = typeof lifeS === 'number' && lifeS > 0;
  return { token: value, lifeMs: (isLife ? lifeS : TOKEN_LIFE_DEFAULT_S) * 1000 };
}

function basic({ username, password }: RegistryCredentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`;
}

function keyOf(registry: URL, scope: string): string {
  return `${registry.origin} ${scope}`;
}
