import type {
  SubjectAccessReviewSpec,
  SubjectAccessReviewStatus,
} from '#api/generated/authorization-v1.ts';
import type { Kind } from '#api/kind.ts';
import { ApiError, invalid, otherNamespace } from '#api/meta/api-error.ts';
import { wrongValue } from '#api/meta/field-error.ts';
import type { ObjectMeta } from '#api/meta/object-meta.ts';
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
        const attributes = attributesOf(SelfSubjectAccessReview, user, review);
        return { ...review, status: statusOf(await authorizer(attributes)) };
      },
    }),
    reviewRoute({
      kind: SubjectAccessReview,
      async answer(review) {
        const user = subjectOf(review.spec ?? {});
        const attributes = attributesOf(SubjectAccessReview, user, review);
        return { ...review, status: statusOf(await authorizer(attributes)) };
      },
    }),
    reviewRoute({
      kind: LocalSubjectAccessReview,
      async answer(review, _request, { namespace = '' }) {
        const user = subjectOf(review.spec ?? {});
        const attributes = attributesOf(LocalSubjectAccessReview, user, review);
        refuseElsewhere(review, namespace);
        const metadata = { ...review.metadata, namespace };
        return { ...review, metadata, status: statusOf(await authorizer(attributes)) };
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

function refuseElsewhere(review: LocalSubjectAccessReview, namespace: string): void {
  const { metadata } = review;
  const { nonResourceAttributes, resourceAttributes = {} } = review.spec ?? {};
  const { namespace: asked = '' } = resourceAttributes;
  const refuse = (path: string, value: unknown, why: string): never => {
    throw invalid(LocalSubjectAccessReview, '', [wrongValue(path, value, why)]);
  };
  if (metadata.namespace && metadata.namespace !== namespace) throw otherNamespace();
  if (nonResourceAttributes) {
    const why = 'disallowed on this kind of request';
    refuse('spec.nonResourceAttributes', nonResourceAttributes, why);
  }
  if (asked !== namespace) {
    refuse('spec.resourceAttributes.namespace', asked, 'must match metadata.namespace');
  }
}

interface Review {
  readonly metadata: ObjectMeta;
  readonly spec?: Pick<SubjectAccessReviewSpec, 'resourceAttributes' | 'nonResourceAttributes'>;
}

/** Throws Invalid unless the review, which nobody keeps, is nothing but a question about one resource or one path. */
function attributesOf(kind: Kind, user: User, { metadata, spec = {} }: Review): Attributes {
  const { namespace: _namespace, managedFields: _owners, creationTimestamp: _, ...more } = metadata;
  if (Object.keys(more).length > 0) {
    throw invalid(kind, '', [wrongValue('metadata', more, 'must be empty')]);
  }
  const { resourceAttributes: resource, nonResourceAttributes: path } = spec;
  if (resource && !path) {
    const { subresource, namespace, name, fieldSelector, labelSelector } = resource;
    refuseDoubled(kind, { fieldSelector, labelSelector });
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
  const error = resource
    ? wrongValue(
        'spec.nonResourceAttributes',
        path,
        'cannot be specified in combination with resourceAttributes',
      )
    : wrongValue(
        'spec.resourceAttributes',
        null,
        'exactly one of nonResourceAttributes or resourceAttributes must be specified',
      );
  throw invalid(kind, '', [error]);
}

/** A selector is told as text or in parts. */
function refuseDoubled(
  kind: Kind,
  selectors: Readonly<
    Record<string, { rawSelector?: string; requirements?: unknown[] } | undefined>
  >,
): void {
  for (const [name, { rawSelector = '', requirements = [] } = {}] of Object.entries(selectors)) {
    if (rawSelector === '' || requirements.length === 0) continue;
    const why = 'may not specified at the same time as requirements';
    const path = `spec.resourceAttributes.${name}.rawSelector`;
    throw invalid(kind, '', [wrongValue(path, rawSelector, why)]);
  }
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
