import type { Deployment } from '#api/apps-v1/deployment.ts';
import type { PodAutoscaler } from '#api/autoscaling-v1alpha1/pod-autoscaler.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import { conditionOf, type Condition, type Conditions } from '#api/meta/conditions.ts';

/** How a Revision's conditions follow from what was made for it (serving specification §3.3), one step after another. */
const DEPLOYING = 'Deploying';
const RESOURCES = 'ResourcesAvailable';
const HEALTHY = 'ContainerHealthy';

export function markDeploying(conditions: Conditions): void {
  conditions.markUnknown(RESOURCES, DEPLOYING);
  conditions.markUnknown(HEALTHY, DEPLOYING);
}

export function markResolvingDigests(conditions: Conditions): void {
  conditions.markUnknown(RESOURCES, 'ResolvingDigests');
}

export function markContainerMissing(
  conditions: Conditions,
  { image, reason }: { readonly image: string; readonly reason: string },
): void {
  const message = `Unable to fetch image "${image}": failed to resolve image to digest: ${reason}`;
  conditions.markFalse(HEALTHY, 'ContainerMissing', message);
}

export function markNotOwned(conditions: Conditions, kind: string, name: string): void {
  const message = `There is an existing ${kind} "${name}" that we do not own.`;
  conditions.markFalse(RESOURCES, 'NotOwned', message);
}

interface ObservedPod {
  /** One of the Deployment's, looked at only while none of them is available. */
  readonly pod: Pod | undefined;
  /** That it fits nowhere is then no failure: a node will come. */
  readonly isAlwaysSchedulable: boolean;
}

export function markDeployment(
  conditions: Conditions,
  deployment: Deployment,
  { pod, isAlwaysSchedulable }: ObservedPod,
): void {
  const failure = deploymentCondition(deployment, 'ReplicaFailure');
  if (failure?.status === 'True') {
    conditions.markFalse(RESOURCES, failure.reason, failure.message);
  } else {
    const progressing = deploymentCondition(deployment, 'Progressing');
    conditions.mark(RESOURCES, progressing ?? { status: 'Unknown', reason: DEPLOYING });
  }
  if (pod && isWithoutAvailablePods(deployment)) {
    if (!isAlwaysSchedulable) markUnscheduled(conditions, pod);
    markFailingPod(conditions, pod, deployment);
  }
  if ((deployment.status?.readyReplicas ?? 0) > 0) conditions.markTrue(HEALTHY);
}

export function isWithoutAvailablePods({ spec, status }: Deployment): boolean {
  return (spec?.replicas ?? 1) > 0 && !status?.availableReplicas;
}

function markUnscheduled(conditions: Conditions, pod: Pod): void {
  const scheduled = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
  if (scheduled?.status === 'False') {
    conditions.markFalse(RESOURCES, scheduled.reason, scheduled.message);
  }
}

/** The first container that says something says it for all. */
function markFailingPod(conditions: Conditions, pod: Pod, deployment: Deployment): void {
  for (const { lastState, state } of pod.status?.containerStatuses ?? []) {
    const ended = lastState?.terminated;
    if (ended) {
      const why = ended.message || 'container exited with no error';
      conditions.markFalse(HEALTHY, `ExitCode${ended.exitCode}`, `Container failed with: ${why}`);
      return;
    }
    if (state?.waiting && hasTimedOut(deployment)) {
      conditions.markFalse(RESOURCES, state.waiting.reason, state.waiting.message);
      return;
    }
  }
}

function hasTimedOut(deployment: Deployment): boolean {
  const progressing = deploymentCondition(deployment, 'Progressing');
  return progressing?.status === 'False' && progressing.reason === 'ProgressDeadlineExceeded';
}

export function markPodAutoscaler(conditions: Conditions, autoscaler: PodAutoscaler): void {
  const ready = conditionOf(autoscaler, 'Ready');
  // What is known to be wrong, with its pods or its programs, says more than what follows here.
  const isUnavailable = conditions.isFalse(RESOURCES) || conditions.isFalse(HEALTHY);
  if (!ready) {
    conditions.markUnknown('Active', DEPLOYING);
    if (!isUnavailable) conditions.markUnknown(RESOURCES, DEPLOYING);
    return;
  }
  const isInitialized = conditionOf(autoscaler, 'ScaleTargetInitialized')?.status === 'True';
  const hasService = (autoscaler.status?.serviceName ?? '') !== '';
  if (isInitialized && !isUnavailable) {
    conditions.markTrue(RESOURCES);
    conditions.markTrue(HEALTHY);
  }
  if (conditions.isTrue(RESOURCES) && !(hasService && isInitialized)) {
    conditions.markUnknown(RESOURCES, DEPLOYING);
  }
  // Scaled down before it was ever up: it did not come up in time.
  if (ready.status === 'False' && !isUnavailable && hasService && !isInitialized) {
    const message = 'Initial scale was never achieved';
    conditions.markFalse(RESOURCES, 'ProgressDeadlineExceeded', message);
  }
  conditions.mark('Active', ready);
}

function deploymentCondition(
  { status }: Deployment,
  type: string,
): Pick<Condition, 'status' | 'reason' | 'message'> | undefined {
  const found = status?.conditions?.find((condition) => condition.type === type);
  if (!found) return undefined;
  const { reason, message } = found;
  return {
    status: found.status === 'True' || found.status === 'False' ? found.status : 'Unknown',
    ...(reason !== undefined && { reason }),
    ...(message !== undefined && { message }),
  };
}
