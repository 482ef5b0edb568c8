import type { Pod } from '#api/core-v1/pod.ts';
import type { PodRecord } from '#agent/pods/pod-record.ts';

/** A pod of this node with its containers that run. */
export interface RunningPod {
  readonly pod: Pod;
  readonly containers: readonly RunningContainer[];
}

export interface RunningContainer {
  readonly name: string;
  /** The runtime's. */
  readonly id: string;
  /** RFC 3339. */
  readonly startedAt: string;
}

/** Those of `pods` that have a sandbox with a container that runs, as its record says. */
export function runningPods(
  pods: readonly Pod[],
  recordOf: (uid: string) => PodRecord | undefined,
): readonly RunningPod[] {
  return pods.flatMap((pod) => {
    const record = recordOf(pod.metadata.uid ?? '');
    const containers = Object.entries(record?.containers ?? {}).flatMap(
      ([name, { id, startedAt, terminated }]) =>
        startedAt === undefined || terminated ? [] : [{ name, id, startedAt }],
    );
    return containers.length === 0 ? [] : [{ pod, containers }];
  });
}
