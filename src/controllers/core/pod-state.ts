import type { Pod } from '#api/core-v1/pod.ts';

/** Neither ended nor asked to end: it counts as one of its owner's replicas. */
export function isActive(pod: Pod): boolean {
  return !isEnded(pod) && pod.metadata.deletionTimestamp === undefined;
}

export function isEnded(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}

export function isReady(pod: Pod): boolean {
  return readyCondition(pod)?.status === 'True';
}

/** Since when the pod is ready, as milliseconds of the epoch; undefined where it is not. */
export function readySinceMs(pod: Pod): number | undefined {
  const condition = readyCondition(pod);
  if (condition?.status !== 'True') return undefined;
  return Date.parse(condition.lastTransitionTime ?? '') || 0;
}

/** Ready for so long that it is trusted; 0 once it is, Infinity while it is not ready. */
export function availableInMs(
  pod: Pod,
  { minReadySeconds, nowMs }: { minReadySeconds: number; nowMs: number },
): number {
  const sinceMs = readySinceMs(pod);
  if (sinceMs === undefined) return Infinity;
  return minReadySeconds === 0 ? 0 : Math.max(0, sinceMs + minReadySeconds * 1000 - nowMs);
}

function readyCondition(pod: Pod) {
  return pod.status?.conditions?.find(({ type }) => type === 'Ready');
}
