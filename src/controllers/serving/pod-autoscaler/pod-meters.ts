import type { PodAutoscaler } from '#api/autoscaling-v1alpha1/pod-autoscaler.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import { revisionAttributes } from '#autoscaler/revision-attributes.ts';
import type { Key } from '#reconcile/controller.ts';
import { type Instrument, type Metrics, SeriesGroup } from '#telemetry/metrics.ts';

const COUNTS = ['ready', 'notReady', 'pending', 'terminating'] as const;

/** Of a revision's pods, each counted once. */
export type PodCounts = Readonly<Record<(typeof COUNTS)[number], number>>;

export function countPods(pods: readonly Pod[]): PodCounts {
  const counts = { ready: 0, notReady: 0, pending: 0, terminating: 0 };
  for (const pod of pods) counts[stateOf(pod)] += 1;
  return counts;
}

function stateOf(pod: Pod): keyof PodCounts {
  if (pod.metadata.deletionTimestamp !== undefined) return 'terminating';
  const ready = pod.status?.conditions?.find(({ type }) => type === 'Ready');
  if (ready?.status === 'True') return 'ready';
  return (pod.status?.phase ?? 'Pending') === 'Pending' ? 'pending' : 'notReady';
}

function instrument(name: string, description: string): Instrument {
  const scope = 'knative.dev/serving/pkg/autoscaler';
  return { name: `kn.revision.pods.${name}`, unit: '{pod}', description, scope };
}

const REQUESTED = instrument('requested', 'Number of pods autoscaler requested from Kubernetes');
const INSTRUMENTS: Readonly<Record<keyof PodCounts, Instrument>> = {
  ready: instrument('count', 'Number of pods that are allocated currently'),
  notReady: instrument('not_ready.count', 'Number of pods that are not ready currently'),
  pending: instrument('pending.count', 'Number of pods that are pending currently'),
  terminating: instrument('terminating.count', 'Number of pods that are terminating currently'),
};

/** Tells how many pods each revision has and was to have, as each reconcile sees it. */
export class PodMeters {
  readonly #metrics: Metrics;
  readonly #groups = new Map<string, SeriesGroup>();

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  /** `wanted` below 0: nothing is known, and what was said before stands. */
  record(autoscaler: PodAutoscaler, counts: PodCounts, wanted: number): void {
    const group = this.#groupOf(autoscaler);
    const metrics = this.#metrics;
    for (const count of COUNTS) group.of(metrics.gauge(INSTRUMENTS[count])).set(counts[count]);
    if (wanted >= 0) group.of(metrics.gauge(REQUESTED)).set(wanted);
  }

  forget({ namespace, name }: Key): void {
    const key = `${namespace}/${name}`;
    this.#groups.get(key)?.[Symbol.dispose]();
    this.#groups.delete(key);
  }

  #groupOf({ metadata }: PodAutoscaler): SeriesGroup {
    const { namespace = '', name: revision = '', labels } = metadata;
    const key = `${namespace}/${revision}`;
    const made = (): SeriesGroup =>
      new SeriesGroup(revisionAttributes({ namespace, revision, labels }));
    const group = this.#groups.get(key) ?? made();
    this.#groups.set(key, group);
    return group;
  }
}
