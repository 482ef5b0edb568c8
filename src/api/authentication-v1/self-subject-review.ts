import type { SelfSubjectReview as Generated } from '#api/generated/authentication-v1.ts';
import { defineCoreKind } from '#api/kind.ts';

export type SelfSubjectReview = Generated;
export const SelfSubjectReview = defineCoreKind<SelfSubjectReview>({
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'SelfSubjectReview',
  plural: 'selfsubjectreviews',
  scope: 'Cluster',
  definition: 'io.k8s.api.authentication.v1.SelfSubjectReview',
});
