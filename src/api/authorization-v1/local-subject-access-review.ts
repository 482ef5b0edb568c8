import type { LocalSubjectAccessReview as Generated } from '#api/generated/authorization-v1.ts';
import { defineCoreKind } from '#api/kind.ts';

export type LocalSubjectAccessReview = Generated;
export const LocalSubjectAccessReview = defineCoreKind<LocalSubjectAccessReview>({
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'LocalSubjectAccessReview',
  plural: 'localsubjectaccessreviews',
  scope: 'Namespaced',
  definition: 'io.k8s.api.authorization.v1.LocalSubjectAccessReview',
});
