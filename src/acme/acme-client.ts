import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, FlattenedSign, type JWK } from 'jose';
import type { Clock } from '#base/clock.ts';
import { AcmeError, type Problem } from './acme-error.ts';
import { acmeRequest, nonceOf, RefusedRequest, type AcmeReply } from './acme-http.ts';

export interface AcmeClientOptions {
  /** Where the server says where everything is: `https://acme.example.com/directory`. */
  readonly directory: string;
  /** PEM of authorities that the server is known by beside the usual ones; empty for none. */
  readonly roots: string;
  /** Where the server's people write to before something ends; empty for nowhere. */
  readonly email: string;
  /** PEM of an EC P-256 key: whoever has it is the account. */
  readonly accountKey: string;
  readonly clock: Clock;
}

/** RFC 8555 §7.1.3. */
export interface Order {
  readonly url: string;
  readonly status: 'pending' | 'ready' | 'processing' | 'valid' | 'invalid';
  readonly authorizations: readonly string[];
  readonly finalize: string;
  readonly certificate: string | undefined;
  readonly error: Problem | undefined;
  readonly retryAfterMs: number | undefined;
}

/** RFC 8555 §7.1.5, of its kind that is answered by HTTP. */
export interface Challenge {
  readonly url: string;
  readonly token: string;
  readonly status: string;
  readonly error: Problem | undefined;
}

/** RFC 8555 §7.1.4. */
export interface Authorization {
  readonly name: string;
  readonly status: string;
  /** Absent where the server takes other proofs alone. */
  readonly challenge: Challenge | undefined;
}

/** A server may refuse nonces that got old; more than this in a row is a fault of its own (RFC 8555 §6.5). */
const NONCES_MAX = 5;
/** Nonces kept for later: as many as there are requests at once. */
const NONCES_KEPT_MAX = 8;

type Resource = 'newNonce' | 'newAccount' | 'newOrder';

/**
 * Asks a certificate authority for certificates (RFC 8555). Everything that lasts is at the server: the account is found
 * again by its key, an order by its URL. Every call may throw AcmeError.
 */
export class AcmeClient {
  readonly #options: AcmeClientOptions;
  readonly #key: KeyObject;
  #directory: Promise<Readonly<Record<Resource, string>>> | undefined;
  #account: Promise<string> | undefined;
  #nonces: string[] = [];

  constructor(options: AcmeClientOptions) {
    this.#options = options;
    this.#key = createPrivateKey(options.accountKey);
  }

  /** What the account's proofs end with (RFC 8555 §8.1). */
  async thumbprint(): Promise<string> {
    return await calculateJwkThumbprint(await this.#jwk());
  }

  async newOrder(names: readonly string[], signal: AbortSignal): Promise<Order> {
    const identifiers = names.map((value) => ({ type: 'dns', value }));
    const { newOrder } = await this.#resources(signal);
    const reply = await this.#post(newOrder, { identifiers }, signal);
    return orderOf(reply, locationOf(reply));
  }

  async order(url: string, signal: AbortSignal): Promise<Order> {
    return orderOf(await this.#post(url, undefined, signal), url);
  }

  async authorization(url: string, signal: AbortSignal): Promise<Authorization> {
    return authorizationOf(await this.#post(url, undefined, signal));
  }

  /** Says that the challenge can be looked at now. */
  async accept({ url }: Challenge, signal: AbortSignal): Promise<void> {
    await this.#post(url, {}, signal);
  }

  /** Asks for the certificate of a signing request (DER), once all is proven. */
  async finalize(order: Order, request: Uint8Array, signal: AbortSignal): Promise<Order> {
    const csr = Buffer.from(request).toString('base64url');
    return orderOf(await this.#post(order.finalize, { csr }, signal), order.url);
  }

  /** The certificate and what it is signed by, PEM. */
  async certificate(url: string, signal: AbortSignal): Promise<string> {
    return (await this.#post(url, undefined, signal)).text;
  }

  async #jwk(): Promise<JWK> {
    return await exportJWK(createPublicKey(this.#key));
  }

  /** Remembered while the process lives; what failed is asked again. */
  async #resources(signal: AbortSignal): Promise<Readonly<Record<Resource, string>>> {
    this.#directory ??= this.#readDirectory(signal);
    try {
      return await this.#directory;
    } catch (error) {
      this.#directory = undefined;
      throw error;
    }
  }

  async #readDirectory(signal: AbortSignal): Promise<Readonly<Record<Resource, string>>> {
    const url = this.#options.directory;
    const { text } = await acmeRequest({ url, method: 'GET' }, this.#options, signal);
    const fields = fieldsOf(text, url);
    const { newNonce, newAccount, newOrder } = fields;
    return {
      newNonce: urlIn(newNonce, 'newNonce'),
      newAccount: urlIn(newAccount, 'newAccount'),
      newOrder: urlIn(newOrder, 'newOrder'),
    };
  }

  async #accountUrl(signal: AbortSignal): Promise<string> {
    this.#account ??= this.#register(signal);
    try {
      return await this.#account;
    } catch (error) {
      this.#account = undefined;
      throw error;
    }
  }

  /** Also how an account that exists is found (RFC 8555 §7.3). */
  async #register(signal: AbortSignal): Promise<string> {
    const { email } = this.#options;
    const { newAccount } = await this.#resources(signal);
    const contact = email === '' ? {} : { contact: [`mailto:${email}`] };
    const payload = { termsOfServiceAgreed: true, ...contact };
    return locationOf(await this.#signed(newAccount, payload, { jwk: await this.#jwk() }, signal));
  }

  /** Without a payload it is read, which is a POST here (RFC 8555 §6.3). */
  async #post(url: string, payload: unknown, signal: AbortSignal): Promise<AcmeReply> {
    try {
      return await this.#signed(url, payload, { kid: await this.#accountUrl(signal) }, signal);
    } catch (error) {
      if (!isOf(error, 'accountDoesNotExist')) throw error;
      // A server that forgot the account takes it anew.
      this.#account = undefined;
      return await this.#signed(url, payload, { kid: await this.#accountUrl(signal) }, signal);
    }
  }

  async #signed(
    url: string,
    payload: unknown,
    by: { readonly kid: string } | { readonly jwk: JWK },
    signal: AbortSignal,
  ): Promise<AcmeReply> {
    await this.#refuseForeign(url, signal);
    const bytes = Buffer.from(payload === undefined ? '' : JSON.stringify(payload));
    for (let attempt = 1; ; attempt += 1) {
      const nonce = this.#nonces.pop() ?? (await this.#newNonce(signal));
      const jws = await new FlattenedSign(bytes)
        .setProtectedHeader({ alg: 'ES256', nonce, url, ...by })
        .sign(this.#key);
      const body = JSON.stringify(jws);
      try {
        const reply = await acmeRequest({ url, method: 'POST', body }, this.#options, signal);
        this.#keep(nonceOf(reply.headers));
        return reply;
      } catch (error) {
        if (error instanceof RefusedRequest) this.#keep(error.nonce);
        if (!isOf(error, 'badNonce') || attempt >= NONCES_MAX) throw error;
      }
    }
  }

  /** What is signed is for the server alone: where things are was written down meanwhile, and others may have written too. */
  async #refuseForeign(url: string, signal: AbortSignal): Promise<void> {
    const { directory } = this.#options;
    const { newOrder } = await this.#resources(signal);
    const { origin } = new URL(url);
    if ([directory, newOrder].some((own) => new URL(own).origin === origin)) return;
    throw new AcmeError(`${origin} is no part of the server at ${directory}`, {});
  }

  async #newNonce(signal: AbortSignal): Promise<string> {
    const { newNonce } = await this.#resources(signal);
    const { headers } = await acmeRequest({ url: newNonce, method: 'HEAD' }, this.#options, signal);
    const nonce = nonceOf(headers);
    if (nonce === undefined) throw new AcmeError(`${newNonce} gave no nonce`, {});
    return nonce;
  }

  /** The newest are used first: old ones may be refused. */
  #keep(nonce: string | undefined): void {
    if (nonce !== undefined) this.#nonces = [...this.#nonces, nonce].slice(-NONCES_KEPT_MAX);
  }
}

function isOf(error: unknown, type: string): boolean {
  return error instanceof AcmeError && error.type === type;
}

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(text: string, at: string): Fields {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null) return { ...parsed };
  } catch (cause) {
    throw new AcmeError(`${at} answered with no JSON: ${text.slice(0, 100)}`, { cause });
  }
  throw new AcmeError(`${at} answered with ${text.slice(0, 100)}, wanted an object`, {});
}

function urlIn(value: unknown, what: string): string {
  if (typeof value === 'string' && URL.canParse(value)) return value;
  throw new AcmeError(`The server's ${what} is ${JSON.stringify(value)}, wanted a URL`, {});
}

function locationOf({ headers }: AcmeReply): string {
  return urlIn(headers.location, 'Location');
}

const STATES = ['pending', 'ready', 'processing', 'valid', 'invalid'] as const;

function orderOf({ text, retryAfterMs }: AcmeReply, url: string): Order {
  const { status, authorizations, finalize, certificate, error } = fieldsOf(text, url);
  const state = STATES.find((one) => one === status);
  if (!state) throw new AcmeError(`${url} has the status ${JSON.stringify(status)}`, {});
  return {
    url,
    status: state,
    authorizations: listOf(authorizations).map((each) => urlIn(each, 'authorization')),
    finalize: urlIn(finalize, 'finalize'),
    certificate: certificate === undefined ? undefined : urlIn(certificate, 'certificate'),
    error: problemIn(error),
    retryAfterMs,
  };
}

function authorizationOf({ text }: AcmeReply): Authorization {
  const { status, identifier, challenges } = fieldsOf(text, 'authorization');
  const found = listOf(challenges)
    .map((each) => recordIn(each))
    .find(({ type }) => type === 'http-01');
  return {
    name: String(recordIn(identifier)['value']),
    status: String(status),
    challenge: found && challengeOf(found),
  };
}

/** RFC 8555 §8.3: it becomes a part of a path. */
const TOKEN = /^[\w-]{1,256}$/;

function challengeOf({ url, token, status, error }: Fields): Challenge {
  if (typeof token !== 'string' || !TOKEN.test(token)) {
    throw new AcmeError(`The server's token is ${JSON.stringify(token)}, wanted base64url`, {});
  }
  return { url: urlIn(url, 'challenge'), token, status: String(status), error: problemIn(error) };
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function recordIn(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function problemIn(value: unknown): Problem | undefined {
  return value === undefined || value === null ? undefined : recordIn(value);
}
