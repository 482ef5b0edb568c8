import type { PodAutoscaler } from '#api/autoscaling-v1alpha1/pod-autoscaler.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import { revisionAttributes } from '#autoscaler/revision-attributes.ts';
import type { Key } from '#reconcile/controller.ts';
import type { Attributes, Instrument, Metrics } from '#telemetry/metrics.ts';

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

/** What was last seen of a revision. */
interface Seen {
  readonly metadata: PodAutoscaler['metadata'];
  readonly counts: PodCounts;
  /** Below 0: nothing was ever known. */
  readonly wanted: number;
}

/** Tells how many pods each revision has and was to have, as each reconcile sees it. */
export class PodMeters {
  readonly #seen = new Map<string, Seen>();

  constructor(metrics: Metrics) {
    const observe = (described: Instrument, read: (seen: Seen) => number): void =>
      metrics.gauge(described).observeAll(() =>
        Array.from(this.#seen.values(), (seen) => ({
          attributes: attributesOf(seen.metadata),
          value: read(seen),
        })),
      );
    for (const count of COUNTS) observe(INSTRUMENTS[count], ({ counts }) => counts[count]);
    observe(REQUESTED, ({ wanted }) => (wanted < 0 ? Number.NaN : wanted));
  }

  /** `wanted` below 0: nothing is known, and what was said before stands. */
  record({ metadata }: PodAutoscaler, counts: PodCounts, wanted: number): void {
    const { namespace = '', name = '' } = metadata;
    const key = `${namespace}/${name}`;
    const before = this.#seen.get(key)?.wanted ?? -1;
    this.#seen.set(key, { metadata, counts, wanted: wanted < 0 ? before : wanted });
  }

  forget({ namespace, name }: Key): void {
    this.#seen.delete(`${namespace}/${name}`);
  }
}

function attributesOf({
  namespace = '',
  name: revision = '',
  labels,
}: Seen['metadata']): Attributes {
  return revisionAttributes({ namespace, revision, labels });
}
