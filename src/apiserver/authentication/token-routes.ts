import { isDeepStrictEqual } from 'node:util';
import type { BoundObjectReference, UserInfo } from '#api/generated/authentication-v1.ts';
import { SelfSubjectReview } from '#api/authentication-v1/self-subject-review.ts';
import { TokenRequest } from '#api/authentication-v1/token-request.ts';
import { TokenReview } from '#api/authentication-v1/token-review.ts';
import { Node } from '#api/core-v1/node.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { Secret } from '#api/core-v1/secret.ts';
import { ServiceAccount } from '#api/core-v1/service-account.ts';
import { wrongValue } from '#api/meta/field-error.ts';
import { ApiError, invalid, notFound } from '#api/meta/api-error.ts';
import type {
  BoundKind,
  BoundLookup,
  ServiceAccountTokens,
  TokenOptions,
  TokenWish,
} from '#apiserver/authentication/service-account-tokens.ts';
import { reviewRoute } from '#apiserver/review-route.ts';
import type { Route } from '#apiserver/route.ts';
import type { User } from '#apiserver/user.ts';

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

/** TokenRequest (`kubectl create token`), TokenReview, and SelfSubjectReview (`kubectl auth whoami`). */
export function tokenRoutes(options: Options): readonly Route[] {
  return [tokenRequestRoute(options), tokenReviewRoute(options), selfReviewRoute(options)];
}

function tokenRequestRoute({ tokens, lookup, audiences, clock }: Options): Route {
  const { group, version, plural } = ServiceAccount;
  return reviewRoute({
    kind: TokenRequest,
    at: { group, version, plural, subresource: 'token' },
    async answer(review, _request, { namespace = '', name = '' }) {
      const spec = review.spec ?? {};
      const given = review.metadata.name;
      if (given && given !== name) {
        const why = 'must match the service account name if specified';
        throw invalid(TokenRequest, name, [wrongValue('metadata.name', given, why)]);
      }
      const account = await lookup({ kind: 'ServiceAccount', namespace, name });
      if (!account) throw notFound(ServiceAccount, name);
      const { uid } = account;
      const askedSeconds = spec.expirationSeconds ?? LIFETIME_SECONDS.usual;
      refuseLifetime(askedSeconds);
      const wanted = spec.audiences?.length ? spec.audiences : [...audiences];
      const bound =
        spec.boundObjectRef && (await bind(spec.boundObjectRef, { namespace, name, lookup }));
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
      const now = clock.now();
      return {
        ...review,
        metadata: { name, namespace, uid, creationTimestamp: timeText(now) },
        spec: { ...spec, audiences: wanted, expirationSeconds: askedSeconds },
        status: {
          token,
          expirationTimestamp: timeText(new Date(now.getTime() + askedSeconds * 1000)),
        },
      };
    },
  });
}

function tokenReviewRoute({ tokens }: Options): Route {
  return reviewRoute({
    kind: TokenReview,
    async answer(review) {
      const { token, audiences } = review.spec ?? {};
      if (!token) {
        throw new ApiError('BadRequest', 'token is required for TokenReview in authentication');
      }
      const found = await tokens.verify(token, audiences?.length ? audiences : undefined);
      const status = found
        ? { authenticated: true, user: userInfo(found.user), audiences: [...found.audiences] }
        : { user: {}, error: 'invalid bearer token' };
      return { ...review, status };
    },
  });
}

function selfReviewRoute({ clock }: Options): Route {
  return reviewRoute({
    kind: SelfSubjectReview,
    answer: (review, { user }) =>
      Promise.resolve({
        ...review,
        metadata: { creationTimestamp: timeText(clock.now()) },
        status: { userInfo: userInfo(user) },
      }),
  });
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

function userInfo({ name, uid, groups, extra }: User): UserInfo {
  const lists = Object.entries(extra ?? {}).map(([key, values]): [string, string[]] => [
    key,
    [...values],
  ]);
  return {
    username: name,
    ...(uid !== undefined && { uid }),
    groups: [...groups],
    ...(lists.length > 0 && { extra: Object.fromEntries(lists) }),
  };
}

/** RFC 3339 with whole seconds, as Kubernetes' times are. */
function timeText(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, 'Z');
}
