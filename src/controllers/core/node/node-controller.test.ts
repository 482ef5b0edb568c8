import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '#base/fake-clock.ts';
import { Lease } from '#api/coordination-v1/lease.ts';
import { Node } from '#api/core-v1/node.ts';
import { nodeController } from '#controllers/core/node/node-controller.ts';
import { startCluster, type Cluster } from '#test/support/cluster.ts';
import { fixture } from '#test/support/fixture.ts';

async function readiness({ client }: Cluster): Promise<string | undefined> {
  const node = await client.get(Node, { name: 'n' });
  return node?.status?.conditions?.find(({ type }) => type === 'Ready')?.status;
}

async function renew({ client, clock }: Cluster): Promise<void> {
  const renewTime = clock.now().toISOString().replace('Z', '000Z');
  const lease = fixture<Lease>(
    `{ metadata: { name: n, namespace: kube-node-lease }, spec: { renewTime: "${renewTime}" } }`,
  );
  await client.apply(Lease, { ...lease, apiVersion: 'coordination.k8s.io/v1', kind: 'Lease' });
}

/** As time goes by for a process that runs. */
async function heartbeats(cluster: Cluster, count: number): Promise<void> {
  for (let beat = 0; beat < count; beat += 1) await cluster.advance(10_000);
}

test('node: nobody knows how one is that has not been heard of for forty seconds', async () => {
  await using cluster = await startCluster({
    controllers: [nodeController()],
    namespaces: ['kube-node-lease'],
  });
  const { client } = cluster;
  const node = await client.create(Node, fixture<Node>('{ metadata: { name: n } }'));
  const conditions = [{ type: 'Ready', status: 'True' }];
  await client.updateStatus(Node, { ...node, status: { conditions } });
  for (let round = 0; round < 6; round += 1) {
    await renew(cluster);
    await cluster.settled();
    await heartbeats(cluster, 3);
    assert.equal(await readiness(cluster), 'True');
  }
  await cluster.steady();
  await cluster.advance(10_000);
  assert.equal(await readiness(cluster), 'Unknown');
  await cluster.steady();
});

test('F11: nobody is unheard of because this process stood still', async () => {
  await using cluster = await startCluster({
    controllers: [nodeController()],
    namespaces: ['kube-node-lease'],
  });
  const { client } = cluster;
  const node = await client.create(Node, fixture<Node>('{ metadata: { name: n } }'));
  const conditions = [{ type: 'Ready', status: 'True' }];
  await client.updateStatus(Node, { ...node, status: { conditions } });
  await renew(cluster);
  await cluster.settled();
  await cluster.advance(60_000);
  assert.equal(await readiness(cluster), 'True');
  await heartbeats(cluster, 2);
  assert.equal(await readiness(cluster), 'True');
  await heartbeats(cluster, 1);
  assert.equal(await readiness(cluster), 'Unknown');
});

test('F10: a clock that jumps makes no node unheard of, and one that is gone is missed all the same', async () => {
  const clock = new FakeClock();
  await using cluster = await startCluster({
    controllers: [nodeController()],
    namespaces: ['kube-node-lease'],
    clock,
  });
  const { client } = cluster;
  const node = await client.create(Node, fixture<Node>('{ metadata: { name: n } }'));
  const conditions = [{ type: 'Ready', status: 'True' }];
  await client.updateStatus(Node, { ...node, status: { conditions } });
  const hourMs = 60 * 60_000;
  for (const jumpMs of [hourMs, -2 * hourMs, 12 * 365 * 24 * hourMs]) {
    await renew(cluster);
    await cluster.settled();
    clock.jump(jumpMs);
    await heartbeats(cluster, 3);
    assert.equal(await readiness(cluster), 'True');
  }
  clock.jump(-hourMs);
  await cluster.advance(10_000);
  assert.equal(await readiness(cluster), 'Unknown');
});

test('node: what it is short of keeps further pods away for as long', async () => {
  await using cluster = await startCluster({
    controllers: [nodeController()],
    namespaces: ['kube-node-lease'],
  });
  const { client } = cluster;
  await client.create(Node, fixture<Node>('{ metadata: { name: n } }'));
  await renew(cluster);
  const taintsWhen = async (status: 'True' | 'False'): Promise<readonly string[]> => {
    const node = await client.get(Node, { name: 'n' });
    assert.ok(node);
    const conditions = [
      { type: 'Ready', status: 'True' },
      { type: 'DiskPressure', status },
    ];
    await client.updateStatus(Node, { ...node, status: { conditions } });
    await cluster.settled();
    const { spec } = (await client.get(Node, { name: 'n' })) ?? {};
    return (spec?.taints ?? []).map(({ key, effect }) => `${key}:${effect}`);
  };
  assert.deepEqual(await taintsWhen('True'), ['node.kubernetes.io/disk-pressure:NoSchedule']);
  assert.deepEqual(await taintsWhen('False'), []);
  await cluster.steady();
});
