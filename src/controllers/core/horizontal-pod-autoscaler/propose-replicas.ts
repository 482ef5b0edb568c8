import type { PodGroups } from '#controllers/core/horizontal-pod-autoscaler/pod-groups.ts';

/** What pods should use, as one kind of target says it. */
export interface UsageTarget {
  /** How much is used, as a share of what should be: 1 is just right. Throws MetricUnavailable. */
  ratioOf(usage: ReadonlyMap<string, number>): number;
  /** What a pod that is not measured is taken to use before pods are taken away. */
  assumed(pod: string): number;
}

/** How far from 1 a ratio may be before anything is done. */
export interface Tolerance {
  readonly up: number;
  readonly down: number;
}

/** A metric that says nothing, in Kubernetes' words. */
export class MetricUnavailable extends Error {
  override readonly name = 'MetricUnavailable';
}

/**
 * How many replicas would bring usage to its target, as Kubernetes computes it: what is not known is taken for what
 * speaks against a change, and where it then turns the decision round, nothing is changed.
 */
export function proposeReplicas(
  { counted, unready, missing }: PodGroups,
  {
    currentReplicas,
    target,
    tolerance,
  }: {
    readonly currentReplicas: number;
    readonly target: UsageTarget;
    readonly tolerance: Tolerance;
  },
): number {
  if (counted.size === 0) {
    throw new MetricUnavailable(
      'did not receive metrics for targeted pods (pods might be unready)',
    );
  }
  const isWithin = (ratio: number): boolean =>
    ratio >= 1 - tolerance.down && ratio <= 1 + tolerance.up;
  const ratio = target.ratioOf(counted);
  const countsUnready = unready.length > 0 && ratio > 1;
  if (!countsUnready && missing.length === 0) {
    return isWithin(ratio) ? currentReplicas : Math.ceil(ratio * counted.size);
  }
  const all = new Map(counted);
  for (const pod of missing) {
    if (ratio < 1) all.set(pod, target.assumed(pod));
    else if (ratio > 1) all.set(pod, 0);
  }
  if (countsUnready) for (const pod of unready) all.set(pod, 0);
  const cautious = target.ratioOf(all);
  const isTurned = (ratio < 1 && cautious > 1) || (ratio > 1 && cautious < 1);
  if (isWithin(cautious) || isTurned) return currentReplicas;
  const proposed = Math.ceil(cautious * all.size);
  const isAgainstIt =
    (cautious < 1 && proposed > currentReplicas) || (cautious > 1 && proposed < currentReplicas);
  return isAgainstIt ? currentReplicas : proposed;
}

/** The average use of a pod, in whole thousandths. */
export function averageOf(usage: ReadonlyMap<string, number>): number {
  return usage.size === 0 ? 0 : Math.trunc(total(usage.values()) / usage.size);
}

/** So much a pod on average, in thousandths. */
export function averageTarget(perPod: number): UsageTarget {
  return { ratioOf: (usage) => averageOf(usage) / perPod, assumed: () => perPod };
}

/** So many percent of what the pods request, in thousandths by their names. */
export function utilizationTarget(
  percent: number,
  requests: ReadonlyMap<string, number>,
): UsageTarget {
  return {
    ratioOf: (usage) => utilizationOf(usage, requests) / percent,
    assumed: (pod) => Math.trunc(((requests.get(pod) ?? 0) * Math.max(100, percent)) / 100),
  };
}

/** Whole percent of what is requested by those pods that use something. Throws MetricUnavailable where nothing is. */
export function utilizationOf(
  usage: ReadonlyMap<string, number>,
  requests: ReadonlyMap<string, number>,
): number {
  const requested = total([...usage.keys()].map((pod) => requests.get(pod) ?? 0));
  if (requested === 0) throw new MetricUnavailable('no metrics returned matched known pods');
  const used = total([...usage].map(([pod, value]) => (requests.has(pod) ? value : 0)));
  return Math.trunc((used * 100) / requested);
}

function total(values: Iterable<number>): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}
