import type { SelfSubjectRulesReview as Generated } from '#api/generated/authorization-v1.ts';
import { defineCoreKind } from '#api/kind.ts';

export type SelfSubjectRulesReview = Generated;
export const SelfSubjectRulesReview = defineCoreKind<SelfSubjectRulesReview>({
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'SelfSubjectRulesReview',
  plural: 'selfsubjectrulesreviews',
  scope: 'Cluster',
  definition: 'io.k8s.api.authorization.v1.SelfSubjectRulesReview',
});
