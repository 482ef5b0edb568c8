import type { ClusterRole, PolicyRule } from '#api/generated/rbac-v1.ts';
import type { FieldError } from '#api/kind.ts';
import { required, wrongValue } from '#api/meta/field-error.ts';
import { selectorErrors } from '#api/meta/selector-errors.ts';

/** What is wrong with the rules of a role: one that names nothing would be read as one that forbids. */
export function rulesErrors(
  rules: readonly PolicyRule[] | undefined,
  { isNamespaced }: { readonly isNamespaced: boolean },
): FieldError[] {
  return (rules ?? []).flatMap((rule, index) => {
    const at = `rules[${index}]`;
    const {
      verbs,
      nonResourceURLs = [],
      apiGroups = [],
      resources = [],
      resourceNames = [],
    } = rule;
    const path = `${at}.nonResourceURLs`;
    const errors = verbs?.length
      ? []
      : [required(`${at}.verbs`, 'verbs must contain at least one value')];
    if (nonResourceURLs.length > 0) {
      const alone = 'namespaced rules cannot apply to non-resource URLs';
      const both = 'rules cannot apply to both regular resources and non-resource URLs';
      const isBoth = apiGroups.length + resources.length + resourceNames.length > 0;
      return [
        ...errors,
        ...(isNamespaced ? [wrongValue(path, nonResourceURLs, alone)] : []),
        ...(isBoth ? [wrongValue(path, nonResourceURLs, both)] : []),
      ];
    }
    const group = 'resource rules must supply at least one api group';
    const resource = 'resource rules must supply at least one resource';
    return [
      ...errors,
      ...(apiGroups.length === 0 ? [required(`${at}.apiGroups`, group)] : []),
      ...(resources.length === 0 ? [required(`${at}.resources`, resource)] : []),
    ];
  });
}

/** Of the selectors by which a ClusterRole takes in the rules of others. */
export function aggregationErrors({ aggregationRule }: ClusterRole): FieldError[] {
  if (!aggregationRule) return [];
  const at = 'aggregationRule.clusterRoleSelectors';
  const selectors = aggregationRule.clusterRoleSelectors ?? [];
  const why = 'at least one clusterRoleSelector required if aggregationRule is non-nil';
  if (selectors.length === 0) return [required(at, why)];
  return selectors.flatMap((selector, index) => {
    const path = `${at}[${index}]`;
    const errors = selectorErrors(selector, path);
    if (errors.length === 0) return [];
    return [...errors, wrongValue(path, null, 'invalid label selector.')];
  });
}
