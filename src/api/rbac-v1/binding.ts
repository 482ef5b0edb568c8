import type { RoleRef, Subject } from '#api/generated/rbac-v1.ts';
import type { FieldError } from '#api/kind.ts';
import { immutableErrors, required } from '#api/meta/field-error.ts';

const GROUP = 'rbac.authorization.k8s.io';

interface Binding {
  roleRef: RoleRef;
  subjects?: Subject[];
}

/** What RoleBindings and ClusterRoleBindings leave out when they mean the usual. */
export function defaultBinding(binding: Binding): void {
  if (binding.roleRef) binding.roleRef.apiGroup ||= GROUP;
  for (const subject of binding.subjects ?? []) {
    if (subject.kind !== 'ServiceAccount') subject.apiGroup ??= GROUP;
  }
}

/** Another role is another binding: who may edit one may not thereby hand out more. */
export function bindingErrors(binding: Binding, previous: Binding | undefined): FieldError[] {
  const { roleRef, subjects = [] } = binding;
  return [
    ...(roleRef?.name ? [] : [required('roleRef.name')]),
    ...(roleRef?.kind ? [] : [required('roleRef.kind')]),
    ...(previous ? immutableErrors('roleRef', roleRef, previous.roleRef) : []),
    ...subjects.flatMap(({ kind, name, namespace }, index) => [
      ...(name ? [] : [required(`subjects[${index}].name`)]),
      ...(kind === 'ServiceAccount' && !namespace
        ? [required(`subjects[${index}].namespace`)]
        : []),
    ]),
  ];
}
