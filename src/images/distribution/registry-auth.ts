import type { Clock } from '#base/clock.ts';
import { digestOf } from '../digest.ts';
import { ImageError, type RegistryCredentials } from '../image.ts';
import { recordOf } from '../json-value.ts';
import type { RegistryAnswer } from './registry-http.ts';

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

/** As whom to do what. */
export interface Login {
  readonly registry: URL;
  /** `repository:library/nginx:pull`: what is about to be done. */
  readonly scope: string;
  readonly credentials: RegistryCredentials | undefined;
}

interface TokenRequest extends Login {
  /** From the registry's 401. */
  readonly challenge: Challenge;
  /** Fetches from wherever the registry sends for tokens. */
  readonly get: (
    url: URL,
    headers: Readonly<Record<string, string>>,
  ) => Promise<Pick<RegistryAnswer, 'status' | 'text'>>;
}

/** Registries that do not say how long a token lives mean a minute. */
const TOKEN_LIFE_DEFAULT_S = 60;
/** A token is not used in its last moments: the request has to arrive, too. */
const TOKEN_MARGIN_MS = 10_000;
const TOKENS_MAX = 1000;
/** For whoever reads it in a pod's status. */
export const REMEDY =
  'name a Secret of type kubernetes.io/dockerconfigjson in imagePullSecrets of the pod or its service account';
const TOKEN_ANSWER_CHARACTERS_MAX = 256 * 1024;

/** Authorization headers for registries, remembered while they are valid, for nobody but who has the same credentials. */
export class RegistryAuth {
  readonly #clock: Clock;
  readonly #known = new Map<string, { readonly header: string; readonly untilMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The header that last worked for that scope, if it is still good. */
  known(login: Login): string | undefined {
    const found = this.#known.get(keyOf(login));
    return found && found.untilMs > this.#clock.monotonicMs() ? found.header : undefined;
  }

  forget(login: Login): void {
    this.#known.delete(keyOf(login));
  }

  /** Meets a challenge. Throws ImageError `Unauthorized` when that needs credentials that there are not. */
  async answer(request: TokenRequest): Promise<string> {
    const { challenge, registry, credentials } = request;
    if (challenge.scheme === 'bearer') {
      const { token, lifeMs } = await fetchToken(request);
      return this.#remember(keyOf(request), `Bearer ${token}`, lifeMs - TOKEN_MARGIN_MS);
    }
    if (!credentials)
      throw new ImageError(
        'Unauthorized',
        `registry ${registry.host}: it asks for a user name and a password, and none are known; ${REMEDY}`,
      );
    return this.#remember(keyOf(request), basic(credentials), Infinity);
  }

  #remember(key: string, header: string, lifeMs: number): string {
    if (this.#known.size >= TOKENS_MAX) this.#known.clear();
    this.#known.set(key, { header, untilMs: this.#clock.monotonicMs() + lifeMs });
    return header;
  }
}

async function fetchToken(request: TokenRequest): Promise<{ token: string; lifeMs: number }> {
  const { challenge, registry, scope, credentials } = request;
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
  const answer = await request.get(url, credentials ? { authorization: basic(credentials) } : {});
  const text = await answer.text(TOKEN_ANSWER_CHARACTERS_MAX);
  if (answer.status !== 200)
    throw refusal(answer.status, `registry ${registry.host}: no token for ${scope}`);
  if (text === undefined)
    throw new ImageError('Unavailable', `registry ${url.host}: its token answer broke off`);
  return parseToken(text, registry);
}

function refusal(status: number, what: string): ImageError {
  if (status >= 500 || status === 429 || status === 408)
    return new ImageError('Unavailable', `${what}: status ${status}`);
  return new ImageError('Unauthorized', `${what}: status ${status}; ${REMEDY}`);
}

function parseToken(text: string, registry: URL): { token: string; lifeMs: number } {
  const refused = (why: string): ImageError =>
    new ImageError('Invalid', `registry ${registry.host}: its token answer ${why}`);
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    // Without the parser's own words: they may quote a token.
    throw refused('is not JSON');
  }
  const fields = recordOf(answer);
  if (!fields) throw refused('is not an object');
  const { token, access_token: accessToken, expires_in: lifeS } = fields;
  const value = token ?? accessToken;
  if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value)) throw refused('holds no token');
  const isLife = typeof lifeS === 'number' && lifeS > 0;
  return { token: value, lifeMs: (isLife ? lifeS : TOKEN_LIFE_DEFAULT_S) * 1000 };
}

function basic({ username, password }: RegistryCredentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`;
}

/** Passwords are not kept in memory for this. */
function keyOf({ registry, scope, credentials }: Login): string {
  const who = credentials ? digestOf(JSON.stringify(credentials)) : 'anonymous';
  return `${registry.origin} ${scope} ${who}`;
}
