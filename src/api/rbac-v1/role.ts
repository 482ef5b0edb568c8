import type { Role as Generated } from '#api/generated/rbac-v1.ts';
import { defineCoreKind } from '#api/kind.ts';
import { rulesErrors } from '#api/rbac-v1/rule-errors.ts';

export type Role = Generated;
export const Role = defineCoreKind<Role>({
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'Role',
  plural: 'roles',
  scope: 'Namespaced',
  definition: 'io.k8s.api.rbac.v1.Role',
  validate: ({ rules }) => rulesErrors(rules, { isNamespaced: true }),
});
