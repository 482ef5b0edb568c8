interface SetScale {
  /** `spec.replicas` */
  readonly replicas: number;
  /** `status.availableReplicas` */
  readonly available: number;
}

export interface Rollout {
  /** The Deployment's. */
  readonly replicas: number;
  readonly maxSurge: number;
  readonly maxUnavailable: number;
  /** The ReplicaSet of the current template. */
  readonly newSet: SetScale;
  /** All others, oldest first. */
  readonly oldSets: readonly SetScale[];
}

export interface Step {
  readonly newReplicas: number;
  /** In the order of `oldSets`. */
  readonly oldReplicas: readonly number[];
}

/**
 * The next step of a RollingUpdate: never more than `replicas + maxSurge` pods in all, never fewer than
 * `replicas - maxUnavailable` available ones. The new set grows first; old ones shrink in a step of their own, once
 * nothing more can grow, because only then is it known what became available.
 */
export function rollingUpdateStep(rollout: Rollout): Step {
  const newReplicas = newSetReplicas(rollout);
  const unchanged = rollout.oldSets.map(({ replicas }) => replicas);
  if (newReplicas !== rollout.newSet.replicas) return { newReplicas, oldReplicas: unchanged };
  return { newReplicas, oldReplicas: oldSetsReplicas(rollout) };
}

/**
 * `maxSurge` and `maxUnavailable` as numbers of pods. Percentages of the replicas; a surge is rounded up and what may be
 * unavailable down; both 0 would never move, so one may then be unavailable.
 */
export function resolveBounds(
  replicas: number,
  bounds: { readonly maxSurge?: string | number; readonly maxUnavailable?: string | number },
): { readonly maxSurge: number; readonly maxUnavailable: number } {
  const maxSurge = Math.ceil(share(bounds.maxSurge ?? '25%', replicas));
  const unavailable = Math.floor(share(bounds.maxUnavailable ?? '25%', replicas));
  const maxUnavailable = maxSurge === 0 && unavailable === 0 ? 1 : unavailable;
  return { maxSurge, maxUnavailable: Math.min(maxUnavailable, replicas) };
}

function share(bound: string | number, replicas: number): number {
  if (typeof bound === 'number') return bound;
  const percent = /^(\d+)%$/.exec(bound)?.[1];
  // In whole pods first: 0.07 * 100 is more than 7.
  return percent === undefined ? 0 : (Number(percent) * replicas) / 100;
}

function newSetReplicas({ replicas, maxSurge, newSet, oldSets }: Rollout): number {
  if (newSet.replicas >= replicas) return replicas;
  const room = replicas + maxSurge - newSet.replicas - sumOf(oldSets, 'replicas');
  return newSet.replicas + Math.max(0, Math.min(room, replicas - newSet.replicas));
}

function oldSetsReplicas({ replicas, maxUnavailable, newSet, oldSets }: Rollout): number[] {
  const minAvailable = replicas - maxUnavailable;
  const total = newSet.replicas + sumOf(oldSets, 'replicas');
  const newUnavailable = newSet.replicas - newSet.available;
  const removable = Math.max(0, total - minAvailable - newUnavailable);
  const healthy = takeUnhealthy(oldSets, removable);
  const available = newSet.available + sumOf(oldSets, 'available');
  return takeInOrder(healthy, Math.max(0, available - minAvailable));
}

/** Pods that serve nobody go first and cost no availability. */
function takeUnhealthy(oldSets: readonly SetScale[], removable: number): SetScale[] {
  let left = removable;
  return oldSets.map((set) => {
    const taken = Math.min(left, Math.max(0, set.replicas - set.available));
    left -= taken;
    return { ...set, replicas: set.replicas - taken };
  });
}

function takeInOrder(oldSets: readonly SetScale[], removable: number): number[] {
  let left = removable;
  return oldSets.map(({ replicas }) => {
    const taken = Math.min(left, replicas);
    left -= taken;
    return replicas - taken;
  });
}

function sumOf(sets: readonly SetScale[], field: keyof SetScale): number {
  return sets.reduce((sum, set) => sum + set[field], 0);
}
