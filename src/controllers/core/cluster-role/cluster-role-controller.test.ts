import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClusterRole } from '#api/rbac-v1/cluster-role.ts';
import { clusterRoleController } from '#controllers/core/cluster-role/cluster-role-controller.ts';
import { startCluster } from '#test/support/cluster.ts';
import { fixture } from '#test/support/fixture.ts';

function role(name: string, rest: string): ClusterRole {
  return fixture(`{ metadata: { name: ${name}, labels: { to-${name}: "true" } }, ${rest} }`);
}

test('cluster role: has written in it what it gathers, through roles that gather in turn', async () => {
  await using cluster = await startCluster({ controllers: [clusterRoleController] });
  const { client } = cluster;
  const gathers = (name: string): string =>
    `aggregationRule: { clusterRoleSelectors: [{ matchLabels: { to-${name}: "true" } }] }`;
  const rules = async (name: string) => (await client.get(ClusterRole, { name }))?.rules;
  await client.create(ClusterRole, role('top', gathers('middle')));
  await client.create(ClusterRole, role('middle', gathers('leaf')));
  await cluster.settled();
  assert.deepEqual((await rules('top')) ?? [], []);
  const rule = { apiGroups: [''], resources: ['pods'], verbs: ['get'] };
  await client.create(ClusterRole, { ...role('leaf', ''), rules: [rule] });
  await cluster.settled();
  assert.deepEqual(await rules('middle'), [rule]);
  assert.deepEqual(await rules('top'), [rule]);
  await cluster.steady();
  await client.delete(ClusterRole, { name: 'leaf' });
  await cluster.settled();
  assert.deepEqual((await rules('top')) ?? [], []);
  await cluster.steady();
});
