import type { BoundObjectReference, UserInfo } from '#api/generated/authentication-v1.ts';
import { SelfSubjectReview } from '#api/authentication-v1/self-subject-review.ts';
import { TokenRequest } from '#api/authentication-v1/token-request.ts';
import { TokenReview } from '#api/authentication-v1/token-review.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { Secret } from '#api/core-v1/secret.ts';
import { ServiceAccount } from '#api/core-v1/service-account.ts';
import { ApiError, invalid, notFound } from '#api/meta/api-error.ts';
import type {
  ServiceAccountTokens,
  TokenOptions,
  TokenWish,
} from '#apiserver/authentication/service-account-tokens.ts';
import { reviewRoute } from '#apiserver/review-route.ts';
import type { Route } from '#apiserver/route.ts';
import type { User } from '#apiserver/user.ts';

/** Kubernetes' bounds and default of a token's life. */
const LIFETIME_SECONDS = { min: 600, max: 2 ** 32, usual: 3600 };

type Options = Pick<TokenOptions, 'audiences' | 'uidOf' | 'clock'> & {
  readonly tokens: ServiceAccountTokens;
};

/** TokenRequest (`kubectl create token`), TokenReview, and SelfSubjectReview (`kubectl auth whoami`). */
export function tokenRoutes(options: Options): readonly Route[] {
  return [tokenRequestRoute(options), tokenReviewRoute(options), selfReviewRoute(options)];
}

function tokenRequestRoute({ tokens, uidOf, audiences, clock }: Options): Route {
  const { group, version, plural } = ServiceAccount;
  return reviewRoute({
    kind: TokenRequest,
    at: { group, version, plural, subresource: 'token' },
    async answer(review, _request, { namespace = '', name = '' }) {
      const spec = review.spec ?? {};
      const uid = await uidOf({ kind: 'ServiceAccount', namespace, name });
      if (uid === undefined) throw notFound(ServiceAccount, name);
      const lifetimeSeconds = spec.expirationSeconds ?? LIFETIME_SECONDS.usual;
      refuseLifetime(lifetimeSeconds);
      const wanted = spec.audiences?.length ? spec.audiences : [...audiences];
      const boundTo = spec.boundObjectRef && (await bind(spec.boundObjectRef, namespace, uidOf));
      const { token, expires } = await tokens.issue({
        namespace,
        serviceAccount: { name, uid },
        audiences: wanted,
        lifetimeSeconds,
        ...(boundTo && { boundTo }),
      });
      return {
        ...review,
        metadata: { name, namespace, uid, creationTimestamp: timeText(clock.now()) },
        spec: { ...spec, audiences: wanted, expirationSeconds: lifetimeSeconds },
        status: { token, expirationTimestamp: timeText(expires) },
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

const bindable = { Pod, Secret } as const;

async function bind(
  reference: BoundObjectReference,
  namespace: string,
  uidOf: Options['uidOf'],
): Promise<NonNullable<TokenWish['boundTo']>> {
  const { kind, name = '' } = reference;
  if (kind !== 'Pod' && kind !== 'Secret') {
    const message = `cannot bind token for serviceaccount to object kind ${JSON.stringify(kind ?? '')}`;
    throw new ApiError('BadRequest', message);
  }
  const uid = await uidOf({ kind, namespace, name });
  if (uid === undefined) throw notFound(bindable[kind], name);
  if (reference.uid && reference.uid !== uid) {
    const why = `the UID in the bound object reference (${reference.uid}) does not match the UID in record. The object might have been deleted and then recreated`;
    throw new ApiError('Conflict', why, { name, kind: bindable[kind].plural });
  }
  return { kind, namespace, name, uid };
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
