import type { Pod } from '#api/core-v1/pod.ts';
import type { ContainerStatus } from '#api/generated/core-v1.ts';

/** What keeps a pod from its work. */
export interface PodTrouble {
  /** Kubernetes' word for it: `ImagePullBackOff`, `OOMKilled`, `Unschedulable`. */
  readonly reason: string;
  readonly message: string;
  /** Absent where the pod itself is in trouble. */
  readonly container?: string;
  /** Its last words are those of the run before this one. */
  readonly isPrevious?: boolean;
}

/** Waiting for these is what every pod does for a moment. */
const ORDINARY_WAITING = new Set(['ContainerCreating', 'PodInitializing']);

/** The first trouble in the order in which a pod comes up; undefined where it is well, or on its way. */
export function podTrouble({ spec, status }: Pod): PodTrouble | undefined {
  if (status?.reason !== undefined) {
    return { reason: status.reason, message: status.message ?? '' };
  }
  const scheduled = status?.conditions?.find(({ type }) => type === 'PodScheduled');
  if (scheduled?.status === 'False') {
    return { reason: scheduled.reason ?? 'Unschedulable', message: scheduled.message ?? '' };
  }
  const containers = [
    ...(status?.initContainerStatuses ?? []),
    ...(status?.containerStatuses ?? []),
  ];
  for (const container of containers) {
    const trouble = containerTrouble(container);
    if (trouble) return { ...trouble, container: container.name };
  }
  const unready = status?.containerStatuses?.find(({ ready, state }) => !ready && state?.running);
  if (!unready) return undefined;
  const port = spec?.containers.find(({ name }) => name === unready.name)?.ports?.[0]
    ?.containerPort;
  const message = `it runs, and does not answer its readiness probe${port ? ` on port ${port}` : ''}`;
  return { reason: 'NotReady', message, container: unready.name };
}

function containerTrouble({
  state,
  lastState,
  restartCount,
}: ContainerStatus): PodTrouble | undefined {
  const { waiting } = state ?? {};
  const ended = state?.terminated ?? lastState?.terminated;
  const isEnded = ended !== undefined && (ended.exitCode !== 0 || waiting !== undefined);
  if (isEnded) {
    const times = restartCount > 0 ? `, ${restartCount + 1} times now` : '';
    const words = ended.message?.trim();
    const message = `it ended with exit code ${ended.exitCode}${times}${words ? `: ${words}` : ''}`;
    const reason = ended.reason && ended.reason !== 'Error' ? ended.reason : waiting?.reason;
    return { reason: reason ?? 'Error', message, isPrevious: state?.terminated === undefined };
  }
  if (!waiting?.reason || ORDINARY_WAITING.has(waiting.reason)) return undefined;
  return { reason: waiting.reason, message: waiting.message ?? '' };
}
