import type { Clock } from '#base/clock.ts';
import type { UserInfo } from '#api/generated/authentication-v1.ts';
import { SelfSubjectReview } from '#api/authentication-v1/self-subject-review.ts';
import { TokenReview } from '#api/authentication-v1/token-review.ts';
import { ApiError } from '#api/meta/api-error.ts';
import type { ServiceAccountTokens } from '#apiserver/authentication/service-account-tokens.ts';
import { reviewRoute } from '#apiserver/review-route.ts';
import type { Route } from '#apiserver/route.ts';
import { timestamp } from '#api/meta/timestamp.ts';
import type { User } from '#apiserver/user.ts';

interface Options {
  readonly tokens: ServiceAccountTokens;
  readonly clock: Clock;
}

/** TokenReview, and SelfSubjectReview (`kubectl auth whoami`). */
export function tokenRoutes(options: Options): readonly Route[] {
  return [tokenReviewRoute(options), selfReviewRoute(options)];
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
        metadata: { creationTimestamp: timestamp(clock.now()) },
        status: { userInfo: userInfo(user) },
      }),
  });
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
