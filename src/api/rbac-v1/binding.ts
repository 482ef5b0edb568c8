import { isDeepStrictEqual } from 'node:util';
import type { RoleRef, Subject } from '#api/generated/rbac-v1.ts';
import type { FieldError } from '#api/kind.ts';
import { required, wrongValue } from '#api/meta/field-error.ts';
import { nameErrors, pathSegment, subdomain } from '#api/meta/name-errors.ts';
import { unsupportedErrors } from '#api/meta/value-errors.ts';

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
export function bindingErrors(
  binding: Binding,
  previous: Binding | undefined,
  { isNamespaced }: { readonly isNamespaced: boolean },
): FieldError[] {
  const { subjects = [] } = binding;
  // Absent where its author left it out: nothing looks at types before this.
  const { apiGroup, kind = '', name } = (binding.roleRef ?? {}) as Partial<RoleRef>;
  const kinds = isNamespaced ? ['Role', 'ClusterRole'] : ['ClusterRole'];
  const isSame = !previous || isDeepStrictEqual(binding.roleRef, previous.roleRef);
  return [
    ...unsupportedErrors('roleRef.apiGroup', apiGroup, [GROUP]),
    ...unsupportedErrors('roleRef.kind', kind, kinds),
    ...(name ? nameErrors(pathSegment, 'roleRef.name', name) : [required('roleRef.name')]),
    ...subjects.flatMap((subject, index) =>
      subjectErrors(subject, `subjects[${index}]`, { isNamespaced }),
    ),
    ...(isSame ? [] : [wrongValue('roleRef', binding.roleRef, 'cannot change roleRef')]),
  ];
}

function subjectErrors(
  subject: Subject,
  at: string,
  { isNamespaced }: { readonly isNamespaced: boolean },
): FieldError[] {
  const { kind = '', name, namespace, apiGroup = '' } = subject as Partial<Subject>;
  const isAccount = kind === 'ServiceAccount';
  const kinds = ['ServiceAccount', 'User', 'Group'];
  return [
    ...(name ? [] : [required(`${at}.name`)]),
    ...(isAccount && name ? nameErrors(subdomain, `${at}.name`, name) : []),
    ...(kinds.includes(kind)
      ? unsupportedErrors(`${at}.apiGroup`, apiGroup, [isAccount ? '' : GROUP])
      : unsupportedErrors(`${at}.kind`, kind, kinds)),
    ...(isAccount && !isNamespaced && !namespace ? [required(`${at}.namespace`)] : []),
  ];
}
