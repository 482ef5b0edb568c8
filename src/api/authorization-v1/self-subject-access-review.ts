import type { SelfSubjectAccessReview as Generated } from '#api/generated/authorization-v1.ts';
import { defineCoreKind } from '#api/kind.ts';

export type SelfSubjectAccessReview = Generated;
export const SelfSubjectAccessReview = defineCoreKind<SelfSubjectAccessReview>({
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'SelfSubjectAccessReview',
  plural: 'selfsubjectaccessreviews',
  scope: 'Cluster',
  definition: 'io.k8s.api.authorization.v1.SelfSubjectAccessReview',
});
