import type { Messages } from '#apiserver/protobuf/protobuf-object.ts';

/*
 * The numbers of the fields that clients fill in, from generated.proto of k8s.io/api/authentication/v1 and
 * authorization/v1. Metadata and status are the server's to write.
 */
const access = {
  1: ['resourceAttributes', 'ResourceAttributes'],
  2: ['nonResourceAttributes', 'NonResourceAttributes'],
} as const;

export const reviewMessages: Messages = {
  SelfSubjectReview: {},
  TokenReview: { 2: ['spec', 'TokenReviewSpec'] },
  TokenReviewSpec: { 1: ['token', 'string'], 2: ['audiences', 'string[]'] },
  TokenRequest: { 2: ['spec', 'TokenRequestSpec'] },
  TokenRequestSpec: {
    1: ['audiences', 'string[]'],
    3: ['boundObjectRef', 'BoundObjectReference'],
    4: ['expirationSeconds', 'integer'],
  },
  BoundObjectReference: {
    1: ['kind', 'string'],
    2: ['apiVersion', 'string'],
    3: ['name', 'string'],
    4: ['uid', 'string'],
  },
  SelfSubjectAccessReview: { 2: ['spec', 'SelfSubjectAccessReviewSpec'] },
  SelfSubjectAccessReviewSpec: access,
  SelfSubjectRulesReview: { 2: ['spec', 'SelfSubjectRulesReviewSpec'] },
  SelfSubjectRulesReviewSpec: { 1: ['namespace', 'string'] },
  SubjectAccessReview: { 2: ['spec', 'SubjectAccessReviewSpec'] },
  LocalSubjectAccessReview: { 2: ['spec', 'SubjectAccessReviewSpec'] },
  SubjectAccessReviewSpec: {
    ...access,
    3: ['user', 'string'],
    4: ['groups', 'string[]'],
    6: ['uid', 'string'],
  },
  ResourceAttributes: {
    1: ['namespace', 'string'],
    2: ['verb', 'string'],
    3: ['group', 'string'],
    4: ['version', 'string'],
    5: ['resource', 'string'],
    6: ['subresource', 'string'],
    7: ['name', 'string'],
  },
  NonResourceAttributes: { 1: ['path', 'string'], 2: ['verb', 'string'] },
};
