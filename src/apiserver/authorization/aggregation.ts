import type { AggregationRule } from '#api/generated/rbac-v1.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { matchLabelSelector } from '#api/meta/selector.ts';

/** Whether a ClusterRole is one that the rule gathers: any of its selectors chooses it by its labels. */
export function aggregates(rule: AggregationRule, role: KubeObject): boolean {
  const selectors = rule.clusterRoleSelectors ?? [];
  return selectors.some((selector) => matchLabelSelector(selector)(role.metadata.labels));
}
