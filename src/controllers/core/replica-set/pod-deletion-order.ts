import type { Pod } from '#api/core-v1/pod.ts';
import { readySinceMs } from '#controllers/core/pod-state.ts';

/** Set by whoever knows which pod is missed least, an idle one for instance; the lowest goes first, absent is 0. */
const DELETION_COST = 'controller.kubernetes.io/pod-deletion-cost';

/**
 * Pods in the order in which a ReplicaSet gives them up, first the one that is missed least: not on a node before on one;
 * pending before running; not ready before ready; lower deletion cost; shorter ready; more restarts; younger. Where all is
 * equal by name, so that two looks choose the same. (Upstream spreads over nodes too; here there is one.)
 */
export function podDeletionOrder(pods: readonly Pod[]): readonly Pod[] {
  return pods.toSorted((a, b) => {
    for (const rank of RANKS) {
      const difference = rank(a) - rank(b);
      if (difference !== 0 && !Number.isNaN(difference)) return difference;
    }
    return (a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1;
  });
}

/** Lower goes first. */
const RANKS: readonly ((pod: Pod) => number)[] = [
  (pod) => (pod.spec?.nodeName ? 1 : 0),
  (pod) => PHASES.indexOf(pod.status?.phase ?? 'Pending'),
  (pod) => (readySinceMs(pod) === undefined ? 0 : 1),
  deletionCost,
  (pod) => -(readySinceMs(pod) ?? 0),
  (pod) => -restarts(pod),
  (pod) => -Date.parse(pod.metadata.creationTimestamp ?? ''),
];

const PHASES: readonly string[] = ['Pending', 'Unknown', 'Running'];

function deletionCost(pod: Pod): number {
  const cost = Number(pod.metadata.annotations?.[DELETION_COST] ?? 0);
  return Number.isInteger(cost) ? cost : 0;
}

function restarts(pod: Pod): number {
  const counts = pod.status?.containerStatuses?.map(({ restartCount }) => restartCount) ?? [];
  return Math.max(0, ...counts);
}
