import type { Node } from '#api/core-v1/node.ts';
import { tolerates } from '#api/core-v1/toleration.ts';
import type { NodeSelectorRequirement, NodeSelectorTerm, PodSpec } from '#api/generated/core-v1.ts';
import { matchLabelSelector } from '#api/meta/selector.ts';

/** Whether the pod may run there by its nodeSelector and the affinity it requires. */
export function isWantedNode(spec: PodSpec, node: Node): boolean {
  const { labels } = node.metadata;
  if (!matchLabelSelector({ matchLabels: spec.nodeSelector ?? {} })(labels)) return false;
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return !required || required.nodeSelectorTerms.some((term) => matchesTerm(term, node));
}

/** How much a pod would like to run there: the weights of the terms that hold, less one for each taint that only asks. */
export function preferenceFor(spec: PodSpec, node: Node): number {
  const preferred = spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution;
  const weights = (preferred ?? [])
    .filter(({ preference }) => matchesTerm(preference, node))
    .map(({ weight }) => weight);
  const unwelcome = (node.spec?.taints ?? []).filter(
    (taint) =>
      taint.effect === 'PreferNoSchedule' &&
      !(spec.tolerations ?? []).some((toleration) => tolerates(toleration, taint)),
  );
  return weights.reduce((a, b) => a + b, 0) - unwelcome.length;
}

/** An empty term matches nothing. */
export function matchesTerm(
  { matchExpressions, matchFields }: NodeSelectorTerm,
  node: Node,
): boolean {
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
