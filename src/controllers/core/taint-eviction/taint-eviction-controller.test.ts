import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Lease } from '#api/coordination-v1/lease.ts';
import { Node } from '#api/core-v1/node.ts';
import { Event } from '#api/core-v1/event.ts';
import { Pod } from '#api/core-v1/pod.ts';
import type { Taint } from '#api/generated/core-v1.ts';
import { nodeController } from '#controllers/core/node/node-controller.ts';
import { taintEvictionController } from '#controllers/core/taint-eviction/taint-eviction-controller.ts';
import { startCluster, type Cluster } from '#test/support/cluster.ts';
import { fixture } from '#test/support/fixture.ts';
import { podNames } from '#test/support/pods.ts';

async function start(): Promise<Cluster> {
  const cluster = await startCluster({
    controllers: [nodeController(), taintEvictionController],
    namespaces: ['default', 'kube-node-lease'],
  });
  const { client } = cluster;
  const node = await client.create(Node, fixture<Node>('{ metadata: { name: n } }'));
  await client.updateStatus(Node, {
    ...node,
    status: { conditions: [{ type: 'Ready', status: 'True' }] },
  });
  for (const [name, tolerations] of [
    ['none', ''],
    [
      'brief',
      'key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 10',
    ],
    ['any', 'operator: Exists'],
  ]) {
    const spec = `nodeName: n, tolerations: [${tolerations ? `{ ${tolerations} }` : ''}]`;
    await client.create(
      Pod,
      fixture<Pod>(`
        metadata: { name: ${name}, namespace: default }
        spec: { ${spec}, containers: [{ name: a, image: b }] }
      `),
    );
  }
  await cluster.settled();
  return cluster;
}

async function taintsOf({ client }: Cluster): Promise<readonly Taint[]> {
  return (await client.get(Node, { name: 'n' }))?.spec?.taints ?? [];
}

/** Those that nobody has asked to go. */
async function staying(cluster: Cluster): Promise<string[]> {
  const names = await podNames(cluster);
  const { items } = await cluster.client.list(Pod);
  return names.filter((name) =>
    items.some(
      ({ metadata }) => metadata.name === name && metadata.deletionTimestamp === undefined,
    ),
  );
}

test('taints: a node that is not heard of is tainted, and loses its pods when they tolerate it no longer', async () => {
  await using cluster = await start();
  assert.deepEqual(await taintsOf(cluster), []);
  for (let look = 0; look < 4; look += 1) await cluster.advance(10_000);
  const key = 'node.kubernetes.io/unreachable';
  assert.deepEqual(await taintsOf(cluster), [
    { key, effect: 'NoSchedule' },
    { key, effect: 'NoExecute', timeAdded: '2026-01-01T00:00:40Z' },
  ]);
  assert.deepEqual(await staying(cluster), ['any', 'brief', 'none']);
  await cluster.advance(10_000);
  assert.deepEqual(await staying(cluster), ['any', 'none']);
  await cluster.advance(289_000);
  assert.deepEqual(await staying(cluster), ['any', 'none']);
  await cluster.steady();
  await cluster.advance(1_000);
  assert.deepEqual(await staying(cluster), ['any']);
  const { items } = await cluster.client.list(Event);
  const evictions = items.filter(({ reason }) => reason === 'TaintManagerEviction');
  assert.deepEqual(evictions.map(({ message }) => message ?? '').toSorted(), [
    'Marking for deletion Pod default/brief',
    'Marking for deletion Pod default/none',
  ]);
  await cluster.steady();
});

test('taints: a node that is back loses them, and those that people put there stay', async () => {
  await using cluster = await start();
  const { client } = cluster;
  const own = { key: 'gpu', effect: 'PreferNoSchedule' };
  await client.patch(Node, { name: 'n' }, { spec: { taints: [own] } }, { type: 'merge' });
  for (let look = 0; look < 4; look += 1) await cluster.advance(10_000);
  assert.equal((await taintsOf(cluster)).length, 3);
  const reports = async (ready: 'True' | 'False'): Promise<string[]> => {
    const renewTime = cluster.clock.now().toISOString().replace('Z', '000Z');
    const lease = { name: 'n', namespace: 'kube-node-lease' };
    await client.apply(Lease, {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: lease,
      spec: { renewTime },
    });
    const node = await client.get(Node, { name: 'n' });
    assert.ok(node);
    const conditions = [{ type: 'Ready', status: ready }];
    await client.updateStatus(Node, { ...node, status: { conditions } });
    await cluster.settled();
    return (await taintsOf(cluster)).map(({ key, effect }) => `${key}:${effect}`);
  };
  const notReady = 'node.kubernetes.io/not-ready';
  assert.deepEqual(await reports('False'), [
    'gpu:PreferNoSchedule',
    `${notReady}:NoSchedule`,
    `${notReady}:NoExecute`,
  ]);
  assert.deepEqual(await reports('True'), ['gpu:PreferNoSchedule']);
  await client.patch(Node, { name: 'n' }, { spec: { unschedulable: true } }, { type: 'merge' });
  await cluster.settled();
  assert.ok((await taintsOf(cluster)).some((taint) => taint.key.endsWith('/unschedulable')));
  await cluster.steady();
});

test('taints: one that somebody puts on a node drives away at once whoever does not tolerate it', async () => {
  await using cluster = await start();
  const taints = [{ key: 'broken', effect: 'NoExecute' }];
  await cluster.client.patch(Node, { name: 'n' }, { spec: { taints } }, { type: 'merge' });
  await cluster.settled();
  assert.deepEqual(await staying(cluster), ['any']);
  const pod = await cluster.client.get(Pod, { namespace: 'default', name: 'none' });
  const disrupted = pod?.status?.conditions?.find(({ type }) => type === 'DisruptionTarget');
  assert.equal(disrupted?.reason, 'DeletionByTaintManager');
  await cluster.steady();
});
