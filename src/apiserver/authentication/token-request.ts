import { isDeepStrictEqual } from 'node:util';
import type { BoundObjectReference } from '#api/generated/authentication-v1.ts';
import { TokenRequest } from '#api/authentication-v1/token-request.ts';
import { Node } from '#api/core-v1/node.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { Secret } from '#api/core-v1/secret.ts';
import { ServiceAccount } from '#api/core-v1/service-account.ts';
import { wrongValue } from '#api/meta/field-error.ts';
import { ApiError, invalid, notFound } from '#api/meta/api-error.ts';
import { consult } from '#apiserver/admission/consult.ts';
import type {
  BoundKind,
  BoundLookup,
  ServiceAccountTokens,
  TokenOptions,
  TokenWish,
} from '#apiserver/authentication/service-account-tokens.ts';
import type { ResourceRequest } from '#apiserver/resource-request.ts';
import { asReview, readReview } from '#apiserver/review-route.ts';
import { jsonReply } from '#apiserver/status-reply.ts';
import type { Connection } from '#apiserver/subresources/subresource.ts';
import { timestamp } from '#api/meta/timestamp.ts';

/** Kubernetes' bounds and default of a token's life. */
const LIFETIME_SECONDS = { min: 600, max: 2 ** 32, usual: 3600 };
/**
 * Programs older than tokens that end read theirs once. So Kubernetes lets the token that a pod gets by itself, known by
 * this lifetime, live for a year; what it says of its end stays.
 */
const EXTENDED = { askedSeconds: 3607, lifetimeSeconds: 365 * 24 * 60 * 60 };

type Options = Pick<TokenOptions, 'audiences' | 'lookup' | 'clock'> & {
  readonly tokens: ServiceAccountTokens;
};

/** POST serviceaccounts/{name}/token (`kubectl create token`). */
export function tokenRequest(options: Options): Connection {
  const { group, plural } = ServiceAccount;
  return {
    group,
    plural,
    subresource: 'token',
    methods: ['POST'],
    async handle(request, deps) {
      const { namespace = '', name } = request;
      const account = await options.lookup({ kind: 'ServiceAccount', namespace, name });
      const asked = await readReview(TokenRequest, request);
      refuseOtherName(asked, name);
      if (!account) throw notFound(ServiceAccount, name);
      const { spec } = asked;
      const audiences = spec?.audiences?.length ? spec.audiences : [...options.audiences];
      const metadata = { ...asked.metadata, name, namespace };
      const value = { ...asked, metadata, spec: { ...spec, audiences } };
      const sent = await consult({ kind: TokenRequest, value }, request, deps);
      const review = asReview(TokenRequest, sent);
      return jsonReply(await answer(review, request, { ...options, uid: account.uid }), {
        status: 201,
      });
    },
  };
}

async function answer(
  review: TokenRequest,
  { namespace = '', name }: ResourceRequest,
  { tokens, lookup, audiences, clock, uid }: Options & { readonly uid: string },
): Promise<TokenRequest> {
  const { spec } = review;
  const wanted = spec?.audiences ?? audiences;
  const askedSeconds = spec?.expirationSeconds ?? LIFETIME_SECONDS.usual;
  refuseLifetime(askedSeconds);
  const bound =
    spec?.boundObjectRef && (await bind(spec.boundObjectRef, { namespace, name, lookup }));
  const isExtended =
    bound?.boundTo.kind === 'Pod' &&
    askedSeconds === EXTENDED.askedSeconds &&
    isDeepStrictEqual(wanted, audiences);
  const { token } = await tokens.issue({
    namespace,
    serviceAccount: { name, uid },
    audiences: wanted,
    lifetimeSeconds: isExtended ? EXTENDED.lifetimeSeconds : askedSeconds,
    ...(isExtended && { warnAfterSeconds: askedSeconds }),
    ...bound,
  });
  return {
    ...review,
    metadata: { name, namespace, uid, creationTimestamp: timestamp(clock.now()) },
    spec: { ...spec, audiences: [...wanted], expirationSeconds: askedSeconds },
    status: { token, expirationTimestamp: timestamp(clock.now(), askedSeconds) },
  };
}

function refuseOtherName({ metadata }: TokenRequest, name: string): void {
  const given = metadata.name;
  if (!given || given === name) return;
  const why = 'must match the service account name if specified';
  throw invalid(TokenRequest, name, [wrongValue('metadata.name', given, why)]);
}

function refuseLifetime(seconds: number): void {
  const complaint =
    seconds < LIFETIME_SECONDS.min
      ? 'may not specify a duration less than 10 minutes'
      : seconds > LIFETIME_SECONDS.max
        ? 'may not specify a duration larger than 2^32 seconds'
        : undefined;
  if (!complaint) return;
  const message = `Invalid value: ${seconds}: ${complaint}`;
  throw invalid(TokenRequest, '', [{ path: 'spec.expirationSeconds', message }]);
}

const bindable = { Pod, Secret, Node } as const;

interface BindingAccount {
  readonly namespace: string;
  readonly name: string;
  readonly lookup: BoundLookup;
}

async function bind(
  { apiVersion = '', kind: kindName = '', name = '', uid }: BoundObjectReference,
  account: BindingAccount,
): Promise<Pick<TokenWish, 'node'> & { readonly boundTo: NonNullable<TokenWish['boundTo']> }> {
  const { namespace, lookup } = account;
  const kind = boundKind(kindName);
  if (!kind || apiVersion !== 'v1') {
    const [version = '', group = ''] = apiVersion.split('/').toReversed();
    const message = `cannot bind token to object of type ${group}/${version}, Kind=${kindName}`;
    throw new ApiError('BadRequest', message);
  }
  const found = await lookup({ kind, namespace, name });
  if (!found) throw notFound(bindable[kind], name);
  if (uid && uid !== found.uid) {
    const why = `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`;
    const message = `Operation cannot be fulfilled on ${kind} ${JSON.stringify(name)}: ${why}`;
    throw new ApiError('Conflict', message, { name, kind });
  }
  const { serviceAccountName = account.name, nodeName } = found;
  if (serviceAccountName !== account.name) {
    const message = `cannot bind token for serviceaccount ${JSON.stringify(account.name)} to pod running with different serviceaccount name.`;
    throw new ApiError('BadRequest', message);
  }
  const boundTo = { kind, name, uid: found.uid };
  const node = nodeName && (await lookup({ kind: 'Node', namespace, name: nodeName }));
  return node ? { boundTo, node: { name: nodeName, uid: node.uid } } : { boundTo };
}

function boundKind(name: string): BoundKind | undefined {
  return name === 'Pod' || name === 'Secret' || name === 'Node' ? name : undefined;
}
