import type { RoleBinding } from '#api/rbac-v1/role-binding.ts';
import {
  ageColumn,
  column,
  nameColumn,
  wideColumn,
  type CellsOf,
} from '#apiserver/tables/column.ts';

/** ClusterRoleBindings have the same fields. */
export const roleBindingColumns: CellsOf<RoleBinding> = [
  nameColumn,
  column('Role', ({ roleRef }) => `${roleRef.kind}/${roleRef.name}`),
  ageColumn,
  wideColumn('Users', (binding) => namesOf(binding, 'User')),
  wideColumn('Groups', (binding) => namesOf(binding, 'Group')),
  wideColumn('ServiceAccounts', (binding) => namesOf(binding, 'ServiceAccount')),
];

function namesOf({ subjects }: RoleBinding, kind: string): string {
  return (subjects ?? [])
    .filter((subject) => subject.kind === kind)
    .map(({ name, namespace }) => (kind === 'ServiceAccount' ? `${namespace}/${name}` : name))
    .join(', ');
}
