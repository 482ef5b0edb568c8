import type { Container, ContainerStatus, PodCondition } from '#api/generated/core-v1.ts';
import type { Pod } from '#api/core-v1/pod.ts';

export type PodStatus = NonNullable<Pod['status']>;

export interface PodView {
  readonly pod: Pod;
  readonly hostAddress: string;
  /** Undefined while the pod has no sandbox. */
  readonly address: string | undefined;
  readonly startTime: string;
  readonly initStatuses: readonly ContainerStatus[];
  readonly statuses: readonly ContainerStatus[];
  readonly now: string;
}

/** RFC 3339 with whole seconds, as every time in an object. */
export function timestamp(date: Date): string {
  return date.toISOString().replace(/\.\d+Z$/, 'Z');
}

/** What a pod's status has to say. Conditions of other writers, and what others set beside them, are kept. */
export function podStatus(view: PodView): PodStatus {
  const { pod, hostAddress, address, startTime, initStatuses, statuses } = view;
  const hosted = { hostIP: hostAddress, hostIPs: [{ ip: hostAddress }] };
  return {
    ...pod.status,
    phase: phaseOf(view),
    conditions: conditionsOf(view),
    ...hosted,
    ...(address !== undefined && { podIP: address, podIPs: [{ ip: address }] }),
    startTime: pod.status?.startTime ?? startTime,
    ...(initStatuses.length > 0 && { initContainerStatuses: [...initStatuses] }),
    containerStatuses: [...statuses],
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

function phaseOf({ pod, initStatuses, statuses }: PodView): string {
  const policy = pod.spec?.restartPolicy ?? 'Always';
  const exitCodes = [...initStatuses, ...statuses].map(
    (status) => status.state?.terminated?.exitCode,
  );
  const initFailed = initStatuses.some((status) => (status.state?.terminated?.exitCode ?? 0) !== 0);
  if (policy === 'Never' && initFailed) return 'Failed';
  const isInitialized = initStatuses.every((status) => status.state?.terminated?.exitCode === 0);
  const hasBegun = statuses.some(
    (status) => status.state?.running || status.lastState?.terminated || status.state?.terminated,
  );
  if (!isInitialized || !hasBegun) return 'Pending';
  const own = exitCodes.slice(initStatuses.length);
  const haveEnded = own.length > 0 && own.every((code) => code !== undefined);
  if (!haveEnded || policy === 'Always') return 'Running';
  if (own.every((code) => code === 0)) return 'Succeeded';
  return policy === 'Never' ? 'Failed' : 'Running';
}

function conditionsOf(view: PodView): PodCondition[] {
  const { pod, address, initStatuses, statuses } = view;
  const phase = phaseOf(view);
  const isInitialized = initStatuses.every((status) => status.state?.terminated?.exitCode === 0);
  const unready = statuses.filter((status) => !status.ready).map((status) => status.name);
  const hasEnded = phase === 'Succeeded' || phase === 'Failed';
  const ready = hasEnded
    ? { reason: phase === 'Failed' ? 'PodFailed' : 'PodCompleted' }
    : unready.length > 0
      ? {
          reason: 'ContainersNotReady',
          message: `containers with unready status: [${unready.join(' ')}]`,
        }
      : undefined;
  const uninitialized = initStatuses.filter((status) => status.state?.terminated?.exitCode !== 0);
  const uninitializedNames = uninitialized.map((status) => status.name).join(' ');
  const own: PodCondition[] = [
    condition('PodReadyToStartContainers', address === undefined ? {} : undefined),
    condition(
      'Initialized',
      isInitialized
        ? undefined
        : {
            reason: 'ContainersNotInitialized',
            message: `containers with incomplete status: [${uninitializedNames}]`,
          },
    ),
    condition('Ready', ready ?? gateProblem(pod)),
    condition('ContainersReady', ready),
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

function condition(
  type: string,
  problem: { reason?: string; message?: string } | undefined,
): PodCondition {
  return problem ? { type, status: 'False', ...problem } : { type, status: 'True' };
}
