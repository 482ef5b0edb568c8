import type { AcmeClient, Authorization, Order } from '#acme/acme-client.ts';
import { AcmeError, problemText } from '#acme/acme-error.ts';
import { CHALLENGE_PATH, type ChallengeResponder } from '#acme/challenge-responder.ts';
import { makeSigningRequest } from '#base/x509/certificate.ts';
import { isReady } from '#api/meta/conditions.ts';
import type { Certificate, Http01Challenge } from '#api/networking-v1alpha1/certificate.ts';
import { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import type { Context } from '#reconcile/controller.ts';
import {
  failedOrder,
  newOrder,
  orderRef,
  readOrder,
  writeOrder,
  type AcmeOrder,
} from '#controllers/serving/certificate/acme-order.ts';
import {
  CHALLENGE_PORT,
  ensureChallengeService,
} from '#controllers/serving/certificate/challenge-service.ts';
import type { Issuance, Issuer } from '#controllers/serving/certificate/issuer.ts';

export interface AcmeIssuerOptions {
  readonly directory: string;
  readonly client: AcmeClient;
  readonly challenges: ChallengeResponder;
}

/** Where the server does not say when to look again. */
const POLL_MS = 2_000;
/** An Ingress that never serves the challenge is looked at again at its next change; this is for what no watch shows. */
const INGRESS_AGAIN_MS = 60_000;

/** Proves hosts by answering for them (http-01, RFC 8555 §8.3). Each call goes as far as it can without waiting. */
export function acmeIssuer(options: AcmeIssuerOptions): Issuer {
  const { directory } = options;
  return {
    id: directory,
    async issue(certificate, context) {
      const wildcards = (certificate.spec.dnsNames ?? []).filter((name) => name.startsWith('*.'));
      if (wildcards.length > 0) {
        const message = `${wildcards.join(', ')}: nobody proves a wildcard to an ACME server by HTTP`;
        return { refusal: { reason: 'WildcardNotProvable', message } };
      }
      const order =
        (await readOrder(certificate, directory, context)) ?? newOrder(certificate, directory);
      const waiting = backingOff(order, context.clock.now());
      if (waiting) return waiting;
      try {
        return await advance({ ...options, certificate, context, order });
      } catch (error) {
        if (!(error instanceof AcmeError)) throw error;
        const { message, retryAfterMs } = error;
        const failure = {
          reason: reasonOf(error),
          message,
          retryAfterMs,
          goesOn: isPassing(error),
        };
        return await failed({ certificate, context, order }, failure);
      }
    },
  };
}

/** The server has trouble, or too much to do: the order is as it was. */
function isPassing({ status }: AcmeError): boolean {
  return status === 0 || status === 429 || status >= 500;
}

function reasonOf({ type, status }: AcmeError): string {
  if (type === 'rateLimited') return 'RateLimited';
  return status === 0 ? 'ServerUnavailable' : 'ServerRefused';
}

interface At {
  readonly certificate: Certificate;
  readonly context: Context;
  readonly order: AcmeOrder;
}

interface Advance extends AcmeIssuerOptions, At {}

function backingOff({ notBefore, lastFailure }: AcmeOrder, now: Date): Issuance | undefined {
  const againAfterMs = Date.parse(notBefore ?? '') - now.getTime();
  if (!lastFailure || !(againAfterMs > 0)) return undefined;
  return { refusal: withRetry(lastFailure, notBefore), againAfterMs };
}

function withRetry(
  { reason, message }: { readonly reason: string; readonly message: string },
  notBefore = '',
): { readonly reason: string; readonly message: string } {
  return { reason, message: `${message}; tried again at ${notBefore.slice(0, 19)}Z` };
}

async function failed(
  { certificate, context, order }: At,
  failure: {
    readonly reason: string;
    readonly message: string;
    readonly retryAfterMs?: number | undefined;
    readonly goesOn?: boolean;
  },
): Promise<Issuance> {
  const now = context.clock.now();
  const next = failedOrder(order, { now, ...failure });
  await writeOrder(certificate, next, context);
  const againAfterMs = Date.parse(next.notBefore ?? '') - now.getTime();
  return { refusal: withRetry(failure, next.notBefore), againAfterMs };
}

async function advance(at: Advance): Promise<Issuance> {
  const { client, certificate, context, order } = at;
  const { signal } = context;
  if (order.url !== undefined) {
    return await follow(at, await client.order(order.url, signal));
  }
  // The key first: what is asked for with it can be fetched by whoever comes after us.
  await writeOrder(certificate, order, context);
  const asked = await client.newOrder(order.names, signal);
  const next = { ...order, url: asked.url };
  await writeOrder(certificate, next, context);
  return await follow({ ...at, order: next }, asked);
}

async function follow(at: Advance, order: Order): Promise<Issuance> {
  const { client, context } = at;
  switch (order.status) {
    case 'pending':
      return await prove(at, order);
    case 'ready': {
      const request = makeSigningRequest({ key: at.order.key, names: at.order.names });
      const next = await client.finalize(order, request, context.signal);
      if (next.status === 'ready') throw new AcmeError('the order stays ready', {});
      return await follow(at, next);
    }
    case 'processing':
      return { ...issuing('The server is making the certificate.', order), challenges: [] };
    case 'valid': {
      const { certificate: url } = order;
      if (url === undefined) throw new AcmeError('a valid order has no certificate', {});
      const certificate = await client.certificate(url, context.signal);
      return { pair: { certificate, key: at.order.key } };
    }
    case 'invalid':
      return await failed(at, { reason: 'ChallengeFailed', message: await whyInvalid(at, order) });
  }
}

function issuing(
  message: string,
  { retryAfterMs }: Pick<Order, 'retryAfterMs'>,
): {
  readonly waiting: { readonly reason: string; readonly message: string };
  readonly againAfterMs: number;
} {
  return { waiting: { reason: 'Issuing', message }, againAfterMs: retryAfterMs ?? POLL_MS };
}

/** Has each host that is not proven yet answer, and says so to the server as soon as it does. */
async function prove(at: Advance, order: Order): Promise<Issuance> {
  const { client, challenges, certificate, context } = at;
  const { signal } = context;
  const open: Authorization[] = [];
  for (const url of order.authorizations) {
    const authorization = await client.authorization(url, signal);
    if (authorization.status === 'pending') open.push(authorization);
  }
  const place = await challenges.answerFor(await client.thumbprint());
  await ensureChallengeService(certificate, place, context);
  const asked: Http01Challenge[] = [];
  const unserved: string[] = [];
  for (const { name, challenge } of open) {
    if (!challenge) {
      const message = `the server takes no proof by HTTP for ${name}`;
      return await failed(at, { reason: 'ChallengeNotOffered', message });
    }
    const { name: serviceName, namespace: serviceNamespace } = orderRef(certificate);
    const url = `http://${name}${CHALLENGE_PATH}${challenge.token}`;
    asked.push({ url, serviceName, serviceNamespace, servicePort: CHALLENGE_PORT });
    if (!(await isServed(url, certificate, context))) unserved.push(name);
    else if (challenge.status === 'pending') await client.accept(challenge, signal);
  }
  if (unserved.length === 0) {
    const hosts = open.map(({ name }) => name).join(', ');
    return { ...issuing(`The server is looking at ${hosts}.`, order), challenges: asked };
  }
  const message = `No Ingress has ${unserved.join(', ')} answer the server yet.`;
  return { ...issuing(message, { retryAfterMs: INGRESS_AGAIN_MS }), challenges: asked };
}

/** Whether some gateway says that it serves the path: a server that looks too early takes that for a failure. */
async function isServed(
  url: string,
  { metadata }: Certificate,
  { client }: Context,
): Promise<boolean> {
  const { hostname, pathname } = new URL(url);
  const { namespace = '' } = metadata;
  const { items } = await client.list(Ingress, { namespace });
  return items.some(
    (ingress) =>
      isReady(ingress) &&
      (ingress.spec.rules ?? []).some(
        ({ hosts = [], http }) =>
          hosts.includes(hostname) && http?.paths.some(({ path }) => path === pathname),
      ),
  );
}

/** In the server's words. */
async function whyInvalid({ client, context }: Advance, order: Order): Promise<string> {
  const words: string[] = [];
  for (const url of order.authorizations) {
    const { name, challenge } = await client.authorization(url, context.signal);
    if (challenge?.error) words.push(`${name}: ${problemText(challenge.error)}`);
  }
  if (words.length > 0) return words.join('; ');
  return order.error ? problemText(order.error) : 'the order became invalid';
}
