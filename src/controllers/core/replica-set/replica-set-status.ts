import { timestamp } from '#api/meta/timestamp.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import type { ReplicaSet } from '#api/apps-v1/replica-set.ts';
import { matchLabelSelector } from '#api/meta/selector.ts';
import { availableInMs, isReady } from '#controllers/core/pod-state.ts';

export type ReplicaSetStatus = NonNullable<ReplicaSet['status']>;
type Condition = NonNullable<ReplicaSetStatus['conditions']>[number];

export interface ReplicaSetFacts {
  /** The active ones. */
  readonly pods: readonly Pod[];
  readonly now: Date;
  /** What the server said when a pod could not be made or removed in this pass. */
  readonly failure?: { readonly reason: string; readonly message: string } | undefined;
}

/** What a ReplicaSet reports, and how long until a pod that is ready counts as available. */
export function replicaSetStatus(
  replicaSet: ReplicaSet,
  { pods, now, failure }: ReplicaSetFacts,
): { readonly status: ReplicaSetStatus; readonly againAfterMs?: number } {
  const { minReadySeconds = 0, template } = replicaSet.spec ?? {};
  const isLabeled = matchLabelSelector({ matchLabels: template?.metadata?.labels ?? {} });
  const waits = pods.map((pod) => availableInMs(pod, { minReadySeconds, nowMs: now.getTime() }));
  const pending = waits.filter((waitMs) => waitMs > 0 && waitMs < Infinity);
  const { generation } = replicaSet.metadata;
  const status: ReplicaSetStatus = {
    replicas: pods.length,
    fullyLabeledReplicas: pods.filter((pod) => isLabeled(pod.metadata.labels)).length,
    readyReplicas: pods.filter(isReady).length,
    availableReplicas: waits.filter((waitMs) => waitMs === 0).length,
    ...(generation !== undefined && { observedGeneration: generation }),
    conditions: conditionsAfter(replicaSet.status?.conditions ?? [], { failure, now }),
  };
  return { status, ...(pending.length > 0 && { againAfterMs: Math.min(...pending) }) };
}

function conditionsAfter(
  previous: readonly Condition[],
  { failure, now }: Pick<ReplicaSetFacts, 'failure' | 'now'>,
): Condition[] {
  const others = previous.filter(({ type }) => type !== 'ReplicaFailure');
  if (!failure) return others;
  const known = previous.find(({ type }) => type === 'ReplicaFailure');
  // As it is, as upstream does: what the server says may name the pod, whose name is another each time, and a status that
  // changes is looked at again at once.
  if (known?.reason === failure.reason) return [...others, known];
  const { reason, message } = failure;
  const lastTransitionTime = timestamp(now);
  return [
    ...others,
    { type: 'ReplicaFailure', status: 'True', reason, message, lastTransitionTime },
  ];
}
