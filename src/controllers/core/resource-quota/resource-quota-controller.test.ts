import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pod } from '#api/core-v1/pod.ts';
import { ResourceQuota } from '#api/core-v1/resource-quota.ts';
import { coreKinds } from '#api/kinds.ts';
import { fixedKinds } from '#api/served-kinds.ts';
import { resourceQuotaController } from '#controllers/core/resource-quota/resource-quota-controller.ts';
import { startCluster } from '#test/support/cluster.ts';
import { fixture } from '#test/support/fixture.ts';

const ref = { namespace: 'default', name: 'rq' };

test('resource quota: its status says what is used', async () => {
  await using cluster = await startCluster({
    controllers: [resourceQuotaController(fixedKinds(coreKinds))],
  });
  const { client } = cluster;
  const quota = fixture<ResourceQuota>(`
    metadata: { name: rq, namespace: default }
    spec: { hard: { pods: "4", cpu: "1", requests.memory: 1Gi, count/jobs.batch: "2" } }
  `);
  await client.create(ResourceQuota, quota);
  await cluster.settled();
  const used = async () => (await client.get(ResourceQuota, ref))?.status?.used;
  const nothing = { pods: '0', cpu: '0', 'requests.memory': '0', 'count/jobs.batch': '0' };
  assert.deepEqual(await used(), nothing);
  for (const name of ['a', 'b']) {
    const resources = '{ requests: { cpu: 50m, memory: 64Mi } }';
    await client.create(
      Pod,
      fixture<Pod>(`
        metadata: { name: ${name}, namespace: default }
        spec: { containers: [{ name: a, image: b, resources: ${resources} }] }
      `),
    );
  }
  await cluster.settled();
  assert.deepEqual(await used(), {
    ...nothing,
    pods: '2',
    cpu: '100m',
    'requests.memory': '128Mi',
  });
  await cluster.steady();
  await client.delete(Pod, { namespace: 'default', name: 'a' });
  await cluster.settled();
  assert.deepEqual(await used(), { ...nothing, pods: '1', cpu: '50m', 'requests.memory': '64Mi' });
  await cluster.steady();
});
