import { timestamp } from '#api/meta/timestamp.ts';
import type { Deployment } from '#api/apps-v1/deployment.ts';
import type { ReplicaSet } from '#api/apps-v1/replica-set.ts';
import { resolveBounds } from '#controllers/core/deployment/rolling-update.ts';
import type { ReplicaSets } from '#controllers/core/deployment/replica-sets.ts';

type DeploymentStatus = NonNullable<Deployment['status']>;
type DeploymentCondition = NonNullable<DeploymentStatus['conditions']>[number];

/** Upstream's value for "no deadline": the largest 32-bit integer. */
const NO_DEADLINE = 2 ** 31 - 1;

interface Reported {
  readonly status: DeploymentStatus;
  /** When the progress deadline will have passed, if it can. */
  readonly againAfterMs?: number;
}

interface Times {
  readonly now: Date;
  /** Since the last update of `Progressing`, by a clock that never jumps. */
  readonly progressAgeMs: number;
}

/** What a Deployment reports of its sets, and when its progress deadline is to be looked at. */
export function deploymentStatus(deployment: Deployment, sets: ReplicaSets & Times): Reported {
  const counts = countReplicas(sets);
  const { now, newSet, progressAgeMs } = sets;
  const progress = progressCondition(deployment, { counts, newSet, progressAgeMs });
  const conditions = [
    availableCondition(deployment, counts),
    ...(progress ? [progress] : []),
    ...failureConditions(sets),
  ];
  const previous = deployment.status?.conditions ?? [];
  const { generation } = deployment.metadata;
  const { collisionCount } = deployment.status ?? {};
  const status: DeploymentStatus = {
    ...(generation !== undefined && { observedGeneration: generation }),
    ...counts,
    ...(collisionCount !== undefined && { collisionCount }),
    conditions: conditions.map((condition) => stamped(condition, { previous, now })),
  };
  const againAfterMs = deadlineInMs(deployment, { status, progressAgeMs });
  return againAfterMs === undefined ? { status } : { status, againAfterMs };
}

type Counts = ReturnType<typeof countReplicas>;

function countReplicas({ newSet, oldSets }: ReplicaSets) {
  const all = newSet ? [...oldSets, newSet] : oldSets;
  const sum = (count: (set: ReplicaSet) => number | undefined): number =>
    all.reduce((total, set) => total + (count(set) ?? 0), 0);
  const availableReplicas = sum(({ status }) => status?.availableReplicas);
  const wanted = sum(({ spec }) => spec?.replicas);
  return {
    replicas: sum(({ status }) => status?.replicas),
    updatedReplicas: newSet?.status?.replicas ?? 0,
    readyReplicas: sum(({ status }) => status?.readyReplicas),
    availableReplicas,
    unavailableReplicas: Math.max(0, wanted - availableReplicas),
  };
}

/** A condition before it is known since when it holds. */
type Finding = Omit<DeploymentCondition, 'lastTransitionTime' | 'lastUpdateTime'> & {
  /** Something moved, though the condition says the same as before. */
  readonly isNews?: boolean;
};

function availableCondition(deployment: Deployment, { availableReplicas }: Counts): Finding {
  const { replicas = 1, strategy } = deployment.spec ?? {};
  const isRolling = strategy?.type !== 'Recreate';
  const { maxUnavailable } = resolveBounds(replicas, strategy?.rollingUpdate ?? {});
  const isAvailable = availableReplicas >= replicas - (isRolling ? maxUnavailable : 0);
  return isAvailable
    ? {
        type: 'Available',
        status: 'True',
        reason: 'MinimumReplicasAvailable',
        message: 'Deployment has minimum availability.',
      }
    : {
        type: 'Available',
        status: 'False',
        reason: 'MinimumReplicasUnavailable',
        message: 'Deployment does not have minimum availability.',
      };
}

function progressCondition(
  deployment: Deployment,
  {
    counts,
    newSet,
    progressAgeMs,
  }: { counts: Counts; newSet: ReplicaSet | undefined; progressAgeMs: number },
): Finding | undefined {
  const { paused = false } = deployment.spec ?? {};
  if (!hasDeadline(deployment)) return undefined;
  const known = conditionOf(deployment.status, 'Progressing');
  const subject = newSet
    ? `ReplicaSet "${newSet.metadata.name}"`
    : `Deployment "${deployment.metadata.name}"`;
  const finding = (status: string, reason: string, message: string): Finding => ({
    type: 'Progressing',
    status,
    reason,
    message,
  });
  if (paused) return finding('Unknown', 'DeploymentPaused', 'Deployment is paused');
  if (known?.reason === 'DeploymentPaused') {
    return finding('Unknown', 'DeploymentResumed', 'Deployment is resumed');
  }
  const isRolledOut = counts.replicas === counts.updatedReplicas;
  const isOver = known?.reason === 'NewReplicaSetAvailable' && isRolledOut;
  if (isComplete(deployment, counts) || (isOver && isAboutSame(known, subject))) {
    return finding('True', 'NewReplicaSetAvailable', `${subject} has successfully progressed.`);
  }
  if (hasMoved(deployment.status ?? {}, counts) || !known || !isAboutSame(known, subject)) {
    return {
      ...finding('True', 'ReplicaSetUpdated', `${subject} is progressing.`),
      isNews: true,
    };
  }
  if (known.reason === 'ProgressDeadlineExceeded' || progressAgeMs >= deadlineMs(deployment)) {
    return finding('False', 'ProgressDeadlineExceeded', `${subject} has timed out progressing.`);
  }
  return { ...known };
}

/** Whether the condition was about the set that is the new one now: another set is another rollout. */
function isAboutSame({ message = '' }: DeploymentCondition, subject: string): boolean {
  return message.startsWith(subject) || !message.startsWith('ReplicaSet "');
}

function isComplete(deployment: Deployment, counts: Counts): boolean {
  const { replicas = 1 } = deployment.spec ?? {};
  return (
    counts.updatedReplicas === replicas &&
    counts.replicas === replicas &&
    counts.availableReplicas === replicas
  );
}

function hasMoved(previous: DeploymentStatus, counts: Counts): boolean {
  const oldReplicas = (status: DeploymentStatus): number =>
    (status.replicas ?? 0) - (status.updatedReplicas ?? 0);
  return (
    counts.updatedReplicas > (previous.updatedReplicas ?? 0) ||
    oldReplicas(counts) < oldReplicas(previous) ||
    counts.readyReplicas > (previous.readyReplicas ?? 0) ||
    counts.availableReplicas > (previous.availableReplicas ?? 0)
  );
}

/** A set's own condition says why its pods cannot be made; the new set's matters most. */
function failureConditions({ newSet, oldSets }: ReplicaSets): Finding[] {
  for (const set of [...(newSet ? [newSet] : []), ...oldSets.toReversed()]) {
    const failure = set.status?.conditions?.find(({ type }) => type === 'ReplicaFailure');
    if (!failure) continue;
    const { reason = '', message = '' } = failure;
    return [{ type: 'ReplicaFailure', status: failure.status, reason, message }];
  }
  return [];
}

function hasDeadline({ spec }: Deployment): boolean {
  return (spec?.progressDeadlineSeconds ?? NO_DEADLINE) !== NO_DEADLINE;
}

function deadlineMs({ spec }: Deployment): number {
  return (spec?.progressDeadlineSeconds ?? NO_DEADLINE) * 1000;
}

function deadlineInMs(
  deployment: Deployment,
  { status, progressAgeMs }: { status: DeploymentStatus; progressAgeMs: number },
): number | undefined {
  const condition = conditionOf(status, 'Progressing');
  const { paused } = deployment.spec ?? {};
  const isUnderWay =
    condition?.status !== 'False' && condition?.reason !== 'NewReplicaSetAvailable';
  if (!condition || !hasDeadline(deployment) || paused || !isUnderWay) return undefined;
  const known = conditionOf(deployment.status, 'Progressing');
  // Another stamp than it had is written just now.
  const ageMs = known?.lastUpdateTime === condition.lastUpdateTime ? progressAgeMs : 0;
  return Math.max(0, deadlineMs(deployment) - ageMs);
}

function conditionOf(
  status: DeploymentStatus | undefined,
  type: string,
): DeploymentCondition | undefined {
  return status?.conditions?.find((condition) => condition.type === type);
}

/** Since when: a transition is a change of status, an update any change or news. */
function stamped(
  { isNews = false, ...finding }: Finding,
  { previous, now }: { previous: readonly DeploymentCondition[]; now: Date },
): DeploymentCondition {
  const at = timestamp(now);
  const known = previous.find(({ type }) => type === finding.type);
  const isSameStatus = known?.status === finding.status;
  const isSame =
    isSameStatus && known.reason === finding.reason && known.message === finding.message;
  return {
    ...finding,
    lastUpdateTime: isSame && !isNews ? (known.lastUpdateTime ?? at) : at,
    lastTransitionTime: isSameStatus ? (known.lastTransitionTime ?? at) : at,
  };
}
