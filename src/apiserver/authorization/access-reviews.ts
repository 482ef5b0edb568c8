import type {
  SubjectAccessReviewSpec,
  SubjectAccessReviewStatus,
} from '#api/generated/authorization-v1.ts';
import type { Kind } from '#api/kind.ts';
import { ApiError, invalid } from '#api/meta/api-error.ts';
import { LocalSubjectAccessReview } from '#api/authorization-v1/local-subject-access-review.ts';
import { SelfSubjectAccessReview } from '#api/authorization-v1/self-subject-access-review.ts';
import { SelfSubjectRulesReview } from '#api/authorization-v1/self-subject-rules-review.ts';
import { SubjectAccessReview } from '#api/authorization-v1/subject-access-review.ts';
import { grantsOf, isMaster } from '#apiserver/authorization/rbac.ts';
import type { RbacObjects } from '#apiserver/authorization/rbac-objects.ts';
import { reviewRoute } from '#apiserver/review-route.ts';
import type { Route } from '#apiserver/route.ts';
import type { Attributes, Authorizer, User } from '#apiserver/user.ts';

/** Who may do what, asked over the API: by anybody of themselves (`kubectl auth can-i`), by trusted servers of others. */
export function accessReviewRoutes(options: {
  readonly authorizer: Authorizer;
  readonly objects: RbacObjects;
}): readonly Route[] {
  const { authorizer, objects } = options;
  return [
    reviewRoute({
      kind: SelfSubjectAccessReview,
      async answer(review, { user }) {
        const attributes = attributesOf(SelfSubjectAccessReview, user, review.spec ?? {});
        return { ...review, status: statusOf(await authorizer(attributes)) };
      },
    }),
    reviewRoute({
      kind: SubjectAccessReview,
      async answer(review) {
        const spec = review.spec ?? {};
        const attributes = attributesOf(SubjectAccessReview, subjectOf(spec), spec);
        return { ...review, status: statusOf(await authorizer(attributes)) };
      },
    }),
    reviewRoute({
      kind: LocalSubjectAccessReview,
      async answer(review, _request, { namespace }) {
        const spec = review.spec ?? {};
        if (spec.nonResourceAttributes || spec.resourceAttributes?.namespace !== namespace) {
          const path = 'spec.resourceAttributes.namespace';
          const found = JSON.stringify(spec.resourceAttributes?.namespace ?? '');
          const message = `Invalid value: ${found}: must match the namespace in the path`;
          throw invalid(LocalSubjectAccessReview, '', [{ path, message }]);
        }
        const attributes = attributesOf(LocalSubjectAccessReview, subjectOf(spec), spec);
        return { ...review, status: statusOf(await authorizer(attributes)) };
      },
    }),
    rulesReviewRoute(objects),
  ];
}

function rulesReviewRoute(objects: RbacObjects): Route {
  return reviewRoute({
    kind: SelfSubjectRulesReview,
    answer(review, { user }) {
      const namespace = review.spec?.namespace;
      if (!namespace) throw new ApiError('BadRequest', 'no namespace on request');
      const everything = [
        { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
        { verbs: ['*'], nonResourceURLs: ['*'] },
      ];
      const rules = isMaster(user)
        ? everything
        : [...grantsOf(objects, user, namespace)].flatMap(({ rules: own, isClusterWide }) =>
            own.filter((rule) => isClusterWide || !rule.nonResourceURLs),
          );
      const status = {
        resourceRules: rules.filter((rule) => !rule.nonResourceURLs),
        nonResourceRules: rules.filter((rule) => rule.nonResourceURLs),
        incomplete: false,
      };
      return Promise.resolve({ ...review, status });
    },
  });
}

/** Throws Invalid unless the review asks about exactly one of a resource and a path. */
function attributesOf(
  kind: Kind,
  user: User,
  spec: Pick<SubjectAccessReviewSpec, 'resourceAttributes' | 'nonResourceAttributes'>,
): Attributes {
  const { resourceAttributes: resource, nonResourceAttributes: path } = spec;
  if (resource && !path) {
    const { subresource, namespace, name } = resource;
    return {
      user,
      verb: resource.verb ?? '',
      resource: {
        group: resource.group ?? '',
        version: resource.version ?? '',
        plural: resource.resource ?? '',
        ...(subresource && { subresource }),
        ...(namespace && { namespace }),
        ...(name && { name }),
      },
    };
  }
  if (path && !resource) return { user, verb: path.verb ?? '', path: path.path ?? '' };
  const message = resource
    ? 'cannot be specified in combination with resourceAttributes'
    : 'Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified';
  const field = resource ? 'spec.nonResourceAttributes' : 'spec.resourceAttributes';
  throw invalid(kind, '', [{ path: field, message }]);
}

function subjectOf(spec: SubjectAccessReviewSpec): User {
  if (!spec.user && !spec.groups?.length) {
    const message = 'Invalid value: "": at least one of user or group must be specified';
    throw invalid(SubjectAccessReview, '', [{ path: 'spec.user', message }]);
  }
  return { name: spec.user ?? '', groups: spec.groups ?? [], ...(spec.uid && { uid: spec.uid }) };
}

function statusOf({ allowed, reason }: Awaited<ReturnType<Authorizer>>): SubjectAccessReviewStatus {
  return { allowed, ...(reason !== '' && { reason }) };
}
