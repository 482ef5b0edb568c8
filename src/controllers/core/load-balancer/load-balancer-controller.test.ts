import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Event } from '#api/core-v1/event.ts';
import { Service } from '#api/core-v1/service.ts';
import { loadBalancerController } from '#controllers/core/load-balancer/load-balancer-controller.ts';
import { startCluster, type Cluster } from '#test/support/cluster.ts';

const address = '10.8.0.1';
const controllers = [loadBalancerController({ address, ownPorts: new Set(['TCP/6443']) })];

async function create(cluster: Cluster, name: string, port: number): Promise<void> {
  await cluster.client.create(Service, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { type: 'LoadBalancer', ports: [{ port }] },
  });
  await cluster.settled();
}

async function ingress(cluster: Cluster, name: string): Promise<readonly (string | undefined)[]> {
  const service = await cluster.client.get(Service, { namespace: 'default', name });
  return (service?.status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip);
}

test('load balancer: has the one address, until it is none any more', async () => {
  await using cluster = await startCluster({ controllers });
  await create(cluster, 'web', 80);
  assert.deepEqual(await ingress(cluster, 'web'), [address]);
  const ref = { namespace: 'default', name: 'web' };
  await cluster.client.patch(Service, ref, { spec: { type: 'ClusterIP' } }, { type: 'merge' });
  await cluster.settled();
  assert.deepEqual(await ingress(cluster, 'web'), []);
  await cluster.steady();
});

test('load balancer: of two that want a port the older has it, the other once it is free', async () => {
  await using cluster = await startCluster({ controllers });
  await create(cluster, 'older', 80);
  await cluster.advance(2_000);
  await create(cluster, 'younger', 80);
  assert.deepEqual(await ingress(cluster, 'younger'), []);
  const { items } = await cluster.client.list(Event, { namespace: 'default' });
  assert.match(items[0]?.message ?? '', /a port is taken by the Service default\/older/);
  await cluster.client.delete(Service, { namespace: 'default', name: 'older' });
  await cluster.settled();
  assert.deepEqual(await ingress(cluster, 'younger'), [address]);
  await cluster.steady();
});

test('load balancer: the ports of the platform are nobody else’s', async () => {
  await using cluster = await startCluster({ controllers });
  await create(cluster, 'api', 6443);
  assert.deepEqual(await ingress(cluster, 'api'), []);
});
