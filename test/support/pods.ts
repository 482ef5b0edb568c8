import { timestamp } from '#api/meta/timestamp.ts';
import { Pod } from '#api/core-v1/pod.ts';
import type { Cluster } from '#test/support/cluster.ts';

/** The names of all pods of a namespace, in order. */
export async function podNames(cluster: Cluster, namespace = 'default'): Promise<string[]> {
  const { items } = await cluster.client.list(Pod, { namespace });
  return items.map(({ metadata }) => metadata.name ?? '').toSorted();
}

/** Says of every pod that it runs and is ready, as an agent would, with the address `10.0.0.<n>`. */
export async function allPodsReady(cluster: Cluster): Promise<void> {
  const { items } = await cluster.client.list(Pod);
  for (const [at, pod] of items.entries()) {
    if (pod.status?.phase !== 'Running')
      await podIs(cluster, pod, { ready: 'True', number: at + 1 });
  }
}

/** The status of a pod that runs; `ready` is the state of its Ready condition. */
export async function podIs(
  { client, clock }: Cluster,
  pod: Pod,
  { ready, number }: { ready: 'True' | 'False'; number: number },
): Promise<void> {
  const lastTransitionTime = timestamp(clock.now());
  const address = `10.0.0.${number}`;
  await client.updateStatus(Pod, {
    ...pod,
    status: {
      phase: 'Running',
      podIP: address,
      podIPs: [{ ip: address }],
      conditions: [{ type: 'Ready', status: ready, lastTransitionTime }],
    },
  });
}
