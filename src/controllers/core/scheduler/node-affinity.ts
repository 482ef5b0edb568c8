import type { Node } from '#api/core-v1/node.ts';
import type { NodeSelectorRequirement, NodeSelectorTerm, PodSpec } from '#api/generated/core-v1.ts';
import { matchLabelSelector } from '#api/meta/selector.ts';

/** Whether the pod may run there by its nodeSelector and the affinity it requires; what it only prefers is not asked. */
export function isWantedNode(spec: PodSpec, node: Node): boolean {
  const { labels } = node.metadata;
  if (!matchLabelSelector({ matchLabels: spec.nodeSelector ?? {} })(labels)) return false;
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return !required || required.nodeSelectorTerms.some((term) => matchesTerm(term, node));
}

/** An empty term matches nothing. */
function matchesTerm({ matchExpressions, matchFields }: NodeSelectorTerm, node: Node): boolean {
  const expressions = matchExpressions ?? [];
  const fields = matchFields ?? [];
  if (expressions.length + fields.length === 0) return false;
  const { labels, name = '' } = node.metadata;
  return matches(expressions, labels) && matches(fields, { 'metadata.name': name });
}

function matches(
  matchExpressions: readonly NodeSelectorRequirement[],
  labels: Readonly<Record<string, string>> | undefined,
): boolean {
  return matchLabelSelector({ matchExpressions })(labels);
}
