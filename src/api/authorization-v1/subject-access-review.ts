import type { SubjectAccessReview as Generated } from '#api/generated/authorization-v1.ts';
import { defineCoreKind } from '#api/kind.ts';

export type SubjectAccessReview = Generated;
export const SubjectAccessReview = defineCoreKind<SubjectAccessReview>({
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'SubjectAccessReview',
  plural: 'subjectaccessreviews',
  scope: 'Cluster',
  definition: 'io.k8s.api.authorization.v1.SubjectAccessReview',
});
