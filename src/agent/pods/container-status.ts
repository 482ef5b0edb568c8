import type { Container, ContainerState, ContainerStatus } from '#api/generated/core-v1.ts';
import type { ContainerRecord } from '#agent/pods/pod-record.ts';
import type { ContainerRole } from '#agent/pods/restart.ts';

export interface ContainerView {
  readonly container: Container;
  readonly role: ContainerRole;
  /** Undefined before the first attempt. */
  readonly record: ContainerRecord | undefined;
  readonly state: ContainerState;
  /** What its probes say. */
  readonly isReady: boolean;
  readonly isStarted: boolean;
}

/** What a container's status has to say. */
export function containerStatus(view: ContainerView): ContainerStatus {
  const { container, role, record, state } = view;
  // Nobody waits for one that is only there to look around.
  const isStaying = state.running !== undefined && role !== 'ephemeral';
  const last = state.terminated ? record?.last : (record?.terminated ?? record?.last);
  return {
    name: container.name,
    image: record?.image ?? container.image ?? '',
    imageID: record ? imageID(record) : '',
    ...(record && { containerID: `runc://${record.id}` }),
    ready: role === 'init' ? state.terminated?.exitCode === 0 : isStaying && view.isReady,
    started: isStaying && view.isStarted,
    restartCount: record?.attempt ?? 0,
    state,
    ...(last && { lastState: { terminated: last } }),
  };
}

/** `repository@sha256:…`, also where the spec names a tag. */
function imageID({ image, imageID: digest }: ContainerRecord): string {
  const repository = image.replace(/@.*$/, '').replace(/:[^/:]*$/, '');
  return `${repository}@${digest}`;
}
