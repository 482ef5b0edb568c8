import type { Container, ContainerStatus, PodCondition } from '#api/generated/core-v1.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import type { PodFate } from '#agent/pods/pod-limits.ts';
import { initRole, isRestarted, type ContainerRole } from '#agent/pods/restart.ts';

export type PodStatus = NonNullable<Pod['status']>;

export interface PodView {
  readonly pod: Pod;
  readonly hostAddress: string;
  /** Undefined while the pod has no sandbox. */
  readonly address: string | undefined;
  readonly startTime: string;
  readonly initStatuses: readonly ContainerStatus[];
  readonly statuses: readonly ContainerStatus[];
  readonly ephemeralStatuses: readonly ContainerStatus[];
  /** Why the agent has ended the pod for good, once all of it has ended. */
  readonly fate?: PodFate | undefined;
  /** It is about to have one: however its containers end, that decides. */
  readonly isDoomed: boolean;
  readonly now: string;
}

/** Its containers have run, and will not again. */
export function hasEnded({ status }: Pod): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}

/** What a pod's status has to say. Conditions of other writers, and what others set beside them, are kept. */
export function podStatus(view: PodView): PodStatus {
  const { pod, hostAddress, address, startTime, fate } = view;
  const { initStatuses, statuses, ephemeralStatuses } = view;
  const hosted = { hostIP: hostAddress, hostIPs: [{ ip: hostAddress }] };
  return {
    ...pod.status,
    phase: phaseOf(view),
    ...(fate && { reason: fate.reason, message: fate.message }),
    conditions: conditionsOf(view),
    ...hosted,
    ...(address !== undefined && { podIP: address, podIPs: [{ ip: address }] }),
    startTime: pod.status?.startTime ?? startTime,
    ...(initStatuses.length > 0 && { initContainerStatuses: [...initStatuses] }),
    containerStatuses: [...statuses],
    ...(ephemeralStatuses.length > 0 && { ephemeralContainerStatuses: [...ephemeralStatuses] }),
  };
}

/** Of a container that has not been made: what a pod shows before its sandbox exists. */
export function waitingStatus(
  container: Container,
  reason: string,
  message?: string,
): ContainerStatus {
  return {
    name: container.name,
    image: container.image ?? '',
    imageID: '',
    ready: false,
    started: false,
    restartCount: 0,
    state: { waiting: { reason, ...(message !== undefined && { message }) } },
  };
}

/** Whether the container of a status has done for its pod's beginning what it has to. */
function isThrough(container: Container, status: ContainerStatus | undefined): boolean {
  const { terminated } = status?.state ?? {};
  return initRole(container) === 'sidecar'
    ? status?.started === true || terminated !== undefined
    : terminated?.exitCode === 0;
}

function hasBegun({ state, lastState }: ContainerStatus): boolean {
  return (state?.running ?? state?.terminated ?? lastState?.terminated) !== undefined;
}

/** Names of the init containers that the others wait for. */
function uninitialized({ pod, initStatuses, statuses }: PodView): string[] {
  if (statuses.some(hasBegun)) return [];
  return (pod.spec?.initContainers ?? [])
    .filter((each, at) => !isThrough(each, initStatuses[at]))
    .map(({ name }) => name);
}

function phaseOf(view: PodView): string {
  const { pod, initStatuses, statuses, fate, isDoomed } = view;
  if (fate) return 'Failed';
  if (isDoomed) return pod.status?.phase ?? 'Pending';
  // What has ended for good stays so.
  if (hasEnded(pod)) return pod.status?.phase ?? '';
  const { restartPolicy: policy = 'Always', initContainers = [], containers = [] } = pod.spec ?? {};
  const isOver = (container: Container, role: ContainerRole, status?: ContainerStatus): boolean => {
    const { exitCode } = status?.state?.terminated ?? {};
    return exitCode !== undefined && !isRestarted({ container, role, policy, exitCode });
  };
  // Sidecars end after the others, and the pod is not over before they are.
  const areSidecarsGone = initStatuses.every(
    ({ state }, at) => !state?.running || initRole(initContainers[at] ?? { name: '' }) === 'init',
  );
  const initFailed = initContainers.some((each, at) => {
    const status = initStatuses[at];
    return isOver(each, initRole(each), status) && status?.state?.terminated?.exitCode !== 0;
  });
  if (initFailed) return areSidecarsGone ? 'Failed' : 'Pending';
  if (uninitialized(view).length > 0 || !statuses.every(hasBegun)) return 'Pending';
  const haveEnded =
    containers.length > 0 && containers.every((each, at) => isOver(each, 'main', statuses[at]));
  if (!haveEnded || !areSidecarsGone) return 'Running';
  return statuses.every(({ state }) => state?.terminated?.exitCode === 0) ? 'Succeeded' : 'Failed';
}

function conditionsOf(view: PodView): PodCondition[] {
  const { pod, address, initStatuses, statuses } = view;
  const phase = phaseOf(view);
  const incomplete = uninitialized(view);
  const sidecars = initStatuses.filter(
    (_, at) => initRole(pod.spec?.initContainers?.[at] ?? { name: '' }) === 'sidecar',
  );
  const unready = [...sidecars, ...statuses].filter(({ ready }) => !ready).map(({ name }) => name);
  const isOver = phase === 'Succeeded' || phase === 'Failed';
  const ready = isOver
    ? { reason: phase === 'Failed' ? 'PodFailed' : 'PodCompleted' }
    : unready.length > 0
      ? {
          reason: 'ContainersNotReady',
          message: `containers with unready status: [${unready.join(' ')}]`,
        }
      : undefined;
  const own: PodCondition[] = [
    condition('PodReadyToStartContainers', address === undefined ? {} : undefined),
    condition(
      'Initialized',
      incomplete.length === 0
        ? undefined
        : {
            reason: 'ContainersNotInitialized',
            message: `containers with incomplete status: [${incomplete.join(' ')}]`,
          },
    ),
    condition('Ready', ready ?? gateProblem(pod)),
    condition('ContainersReady', ready),
    ...(view.fate?.reason === 'Evicted' ? [disruption(view.fate.message)] : []),
  ];
  const before = pod.status?.conditions ?? [];
  const scheduled = condition('PodScheduled', undefined);
  const others = before.filter((each) => !own.some(({ type }) => type === each.type));
  const all = [
    ...own,
    ...(others.some(({ type }) => type === 'PodScheduled') ? others : [...others, scheduled]),
  ];
  return all.map((each) => {
    const known = before.find(({ type }) => type === each.type);
    const lastTransitionTime =
      known?.status === each.status ? (known.lastTransitionTime ?? view.now) : view.now;
    return { ...each, lastTransitionTime };
  });
}

/** Conditions that somebody else has to set before the pod counts as ready (core/v1 PodReadinessGate). */
function gateProblem(pod: Pod): { reason: string; message: string } | undefined {
  const missing = (pod.spec?.readinessGates ?? []).find(
    ({ conditionType }) =>
      !pod.status?.conditions?.some(
        ({ type, status }) => type === conditionType && status === 'True',
      ),
  );
  if (!missing) return undefined;
  return {
    reason: 'ReadinessGatesNotReady',
    message: `corresponding condition of pod readiness gate "${missing.conditionType}" does not exist.`,
  };
}

/** Whoever counts failures of a Job may leave those out that are not its own (batch/v1 PodFailurePolicy). */
function disruption(message: string): PodCondition {
  return { type: 'DisruptionTarget', status: 'True', reason: 'TerminationByKubelet', message };
}

function condition(
  type: string,
  problem: { reason?: string; message?: string } | undefined,
): PodCondition {
  return problem ? { type, status: 'False', ...problem } : { type, status: 'True' };
}
