import type { ClusterRole as Generated } from '#api/generated/rbac-v1.ts';
import { defineCoreKind } from '#api/kind.ts';
import { aggregationErrors, rulesErrors } from '#api/rbac-v1/rule-errors.ts';

export type ClusterRole = Generated;
export const ClusterRole = defineCoreKind<ClusterRole>({
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'ClusterRole',
  plural: 'clusterroles',
  scope: 'Cluster',
  definition: 'io.k8s.api.rbac.v1.ClusterRole',
  validate: (role) => [
    ...rulesErrors(role.rules, { isNamespaced: false }),
    ...aggregationErrors(role),
  ],
});
