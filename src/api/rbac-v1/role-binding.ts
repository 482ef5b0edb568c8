import type { RoleBinding as Generated } from '#api/generated/rbac-v1.ts';
import { defineCoreKind } from '#api/kind.ts';
import { bindingErrors, defaultBinding } from '#api/rbac-v1/binding.ts';

export type RoleBinding = Generated;
export const RoleBinding = defineCoreKind<RoleBinding>({
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'RoleBinding',
  plural: 'rolebindings',
  scope: 'Namespaced',
  definition: 'io.k8s.api.rbac.v1.RoleBinding',
  default: defaultBinding,
  validate: (binding, { previous }) => bindingErrors(binding, previous, { isNamespaced: true }),
});
