import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Node } from '#api/core-v1/node.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { podGarbageController } from '#controllers/core/pod-garbage/pod-garbage-controller.ts';
import { startCluster, type Cluster } from '#test/support/cluster.ts';
import { fixture } from '#test/support/fixture.ts';
import { podNames } from '#test/support/pods.ts';

async function start(options: { readonly endedMax?: number } = {}): Promise<Cluster> {
  const cluster = await startCluster({ controllers: [podGarbageController(options)] });
  await cluster.client.create(Node, fixture<Node>('{ metadata: { name: here } }'));
  return cluster;
}

async function createPod({ client }: Cluster, name: string, spec = ''): Promise<Pod> {
  return await client.create(
    Pod,
    fixture<Pod>(`
      metadata: { name: ${name}, namespace: default }
      spec: { ${spec} containers: [{ name: a, image: b }] }
    `),
  );
}

test('pod garbage: pods of a node that is no more go after forty seconds', async () => {
  await using cluster = await start();
  await createPod(cluster, 'stays', 'nodeName: here,');
  await createPod(cluster, 'waits');
  await createPod(cluster, 'lost', 'nodeName: gone,');
  await cluster.settled();
  await cluster.advance(39_000);
  assert.deepEqual(await podNames(cluster), ['lost', 'stays', 'waits']);
  await cluster.advance(1_000);
  assert.deepEqual(await podNames(cluster), ['stays', 'waits']);
  await cluster.steady();
});

test('pod garbage: a node that comes back in time keeps its pods, and loses them when it goes', async () => {
  await using cluster = await start();
  await createPod(cluster, 'a', 'nodeName: late,');
  await cluster.advance(30_000);
  await cluster.client.create(Node, fixture<Node>('{ metadata: { name: late } }'));
  await cluster.advance(60_000);
  assert.deepEqual(await podNames(cluster), ['a']);
  await cluster.client.delete(Node, { name: 'late' });
  await cluster.settled();
  await cluster.advance(39_000);
  assert.deepEqual(await podNames(cluster), ['a']);
  await cluster.advance(1_000);
  assert.deepEqual(await podNames(cluster), []);
});

test('pod garbage: of those that have ended, the oldest go where there are too many', async () => {
  await using cluster = await start({ endedMax: 2 });
  for (const name of ['first', 'second', 'third']) {
    const pod = await createPod(cluster, name, 'nodeName: here,');
    await cluster.client.updateStatus(Pod, { ...pod, status: { phase: 'Succeeded' } });
    await cluster.advance(1_000);
  }
  await createPod(cluster, 'runs', 'nodeName: here,');
  await cluster.settled();
  assert.deepEqual(await podNames(cluster), ['runs', 'second', 'third']);
});
