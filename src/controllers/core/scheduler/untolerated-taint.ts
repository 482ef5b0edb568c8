import type { Node } from '#api/core-v1/node.ts';
import { tolerates } from '#api/core-v1/toleration.ts';
import type { PodSpec, Taint } from '#api/generated/core-v1.ts';

const NOT_READY: Taint = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' };

/**
 * The first taint that keeps the pod off the node. A node that is not ready counts as tainted, whether or not somebody
 * has written it down yet.
 */
export function untoleratedTaint({ tolerations = [] }: PodSpec, node: Node): Taint | undefined {
  const ready = node.status?.conditions?.find(({ type }) => type === 'Ready');
  const own = node.spec?.taints ?? [];
  const taints = ready?.status === 'True' ? own : [...own, NOT_READY];
  return taints.find(
    (taint) =>
      taint.effect !== 'PreferNoSchedule' &&
      !tolerations.some((toleration) => tolerates(toleration, taint)),
  );
}
