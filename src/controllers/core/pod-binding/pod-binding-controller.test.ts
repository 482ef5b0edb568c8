import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Event } from '#api/core-v1/event.ts';
import { Node } from '#api/core-v1/node.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { podBindingController } from '#controllers/core/pod-binding/pod-binding-controller.ts';
import { startCluster, type Cluster } from '#test/support/cluster.ts';
import { fixture } from '#test/support/fixture.ts';

const controllers = [podBindingController];
const ref = { namespace: 'default', name: 'web' };

function pod(spec = ''): Pod {
  return fixture(`
    apiVersion: v1
    kind: Pod
    metadata: { name: web, namespace: default }
    spec:
      ${spec}
      containers: [{ name: web, image: example.com/web }]
  `);
}

async function addNode({ client }: Cluster, name: string, ready: 'True' | 'False'): Promise<void> {
  const node = fixture<Node>(`{ apiVersion: v1, kind: Node, metadata: { name: ${name} } }`);
  const made = await client.create(Node, node);
  const conditions = [{ type: 'Ready', status: ready }];
  await client.updateStatus(Node, { ...made, status: { conditions } });
}

async function scheduled({ client }: Cluster) {
  const { spec, status } = (await client.get(Pod, ref)) ?? {};
  const condition = status?.conditions?.find(({ type }) => type === 'PodScheduled');
  return [spec?.nodeName, condition?.status, condition?.reason];
}

test('pod binding: gives a pod the first node that is ready', async () => {
  await using cluster = await startCluster({ controllers });
  await addNode(cluster, 'a', 'False');
  await addNode(cluster, 'b', 'True');
  await addNode(cluster, 'c', 'True');
  await cluster.client.create(Pod, pod());
  await cluster.settled();
  assert.deepEqual(await scheduled(cluster), ['b', 'True', undefined]);
  const [event] = (await cluster.client.list(Event)).items;
  assert.equal(event?.message, 'Successfully assigned default/web to b');
  await cluster.steady();
});

test('pod binding: a pod waits, and says so, until a node is ready', async () => {
  await using cluster = await startCluster({ controllers });
  await addNode(cluster, 'a', 'False');
  await cluster.client.create(Pod, pod());
  await cluster.settled();
  assert.deepEqual(await scheduled(cluster), [undefined, 'False', 'Unschedulable']);
  await cluster.steady();
  await addNode(cluster, 'b', 'True');
  await cluster.settled();
  assert.deepEqual(await scheduled(cluster), ['b', 'True', undefined]);
  await cluster.steady();
});

test('pod binding: leaves pods of other schedulers and pods that are held', async () => {
  for (const spec of ['schedulerName: other', 'schedulingGates: [{ name: example.com/wait }]']) {
    await using cluster = await startCluster({ controllers });
    await addNode(cluster, 'a', 'True');
    await cluster.client.create(Pod, pod(spec));
    await cluster.settled();
    assert.deepEqual(await scheduled(cluster), [undefined, undefined, undefined], spec);
    await cluster.steady();
  }
});
