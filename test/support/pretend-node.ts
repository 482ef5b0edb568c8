import type { ClusterUnderTest } from './cluster-under-test.ts';
import { uniqueName } from './cluster-under-test.ts';
import { made, merged, until } from './observe.ts';
import { at, textAt } from './wire.ts';

/** A node whose kubelet is the test: its pods run as soon as they are bound, and are gone as soon as they are to end. */
export interface PretendNode extends AsyncDisposable {
  /** What the kubelet says of pods whose names begin so, from now on, instead of that they run. */
  readonly say: (prefix: string, status: PodStatus) => void;
}

interface PodStatus {
  readonly phase: string;
  readonly containerStatuses?: readonly object[];
}

const NODES = '/api/v1/nodes';
const PODS = '/api/v1/pods';
const CONDITIONS = ['PodScheduled', 'Initialized', 'ContainersReady', 'Ready'];

/** Joins with two CPUs; the only one of its cluster that is ready, so that pods are bound to it. */
export async function pretendNode(cluster: ClusterUnderTest): Promise<PretendNode> {
  const name = uniqueName('node');
  const target = `${NODES}/${name}`;
  await made(cluster, NODES, { metadata: { name } });
  const room = { cpu: '2', memory: '2Gi', pods: '100' };
  const ready = { type: 'Ready', status: 'True', reason: 'KubeletReady' };
  await merged(cluster, `${target}/status`, {
    status: { allocatable: room, capacity: room, conditions: [ready] },
  });
  await until(cluster, target, (node) => at(node, 'spec.taints') === undefined);
  const said = new Map<string, PodStatus>();
  const stop = new AbortController();
  const ours = `${PODS}?watch=1&fieldSelector=spec.nodeName%3D${name}`;
  const pods = cluster.watch(ours, { signal: stop.signal });
  const kubelet = runPods(cluster, pods, (pod) => statusOf(pod, said));
  return {
    say: (prefix, status) => void said.set(prefix, status),
    async [Symbol.asyncDispose]() {
      await cluster.send('DELETE', target);
      stop.abort();
      await kubelet;
    },
  };
}

async function runPods(
  cluster: ClusterUnderTest,
  pods: ReturnType<ClusterUnderTest['watch']>,
  statusOfPod: (pod: unknown) => object,
): Promise<void> {
  for await (const { type, object: pod } of pods) {
    if (type === 'DELETED') continue;
    const target = `/api/v1/namespaces/${textAt(pod, 'metadata.namespace')}/pods/${textAt(pod, 'metadata.name')}`;
    // It may be gone by now, by whoever made it.
    if (at(pod, 'metadata.deletionTimestamp') !== undefined) {
      await cluster.send('DELETE', target, { gracePeriodSeconds: 0 });
    } else if (at(pod, 'status.startTime') === undefined) {
      const headers = { 'content-type': 'application/merge-patch+json' };
      const status = { startTime: new Date(0).toISOString(), ...statusOfPod(pod) };
      await cluster.send('PATCH', `${target}/status`, { status }, { headers });
    }
  }
}

function statusOf(pod: unknown, said: ReadonlyMap<string, PodStatus>): object {
  const name = textAt(pod, 'metadata.name');
  const [, other] = [...said].find(([prefix]) => name.startsWith(prefix)) ?? [];
  const status = other ? 'False' : 'True';
  const conditions = CONDITIONS.map((type) => ({
    type,
    status: type === 'PodScheduled' ? 'True' : status,
  }));
  return {
    phase: 'Running',
    podIP: '192.0.2.7',
    podIPs: [{ ip: '192.0.2.7' }],
    conditions,
    ...other,
  };
}
