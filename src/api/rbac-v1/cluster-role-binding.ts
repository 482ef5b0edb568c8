import type { ClusterRoleBinding as Generated } from '#api/generated/rbac-v1.ts';
import { defineCoreKind } from '#api/kind.ts';
import { bindingErrors, defaultBinding } from '#api/rbac-v1/binding.ts';

export type ClusterRoleBinding = Generated;
export const ClusterRoleBinding = defineCoreKind<ClusterRoleBinding>({
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'ClusterRoleBinding',
  plural: 'clusterrolebindings',
  scope: 'Cluster',
  definition: 'io.k8s.api.rbac.v1.ClusterRoleBinding',
  default: defaultBinding,
  validate: (binding, { previous }) => bindingErrors(binding, previous, { isNamespaced: false }),
});
