import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CustomResourceDefinition } from '#api/apiextensions-v1/custom-resource-definition.ts';
import { ConfigMap } from '#api/core-v1/config-map.ts';
import { ResourceQuota } from '#api/core-v1/resource-quota.ts';
import { Namespace } from '#api/core-v1/namespace.ts';
import type { Kind } from '#api/kind.ts';
import { controllerReference } from '#api/meta/object-meta.ts';
import { coreControllers } from '#controllers/core/core-controllers.ts';
import { volumeFolders } from '#test/support/volume-folders.ts';
import { startCluster, type Cluster } from '#test/support/cluster.ts';

const bar: Kind = {
  group: 'ex.com',
  version: 'v1',
  kind: 'Bar',
  plural: 'bars',
  singular: 'bar',
  shortNames: [],
  categories: [],
  scope: 'Namespaced',
  schema: {},
  subresources: [],
  columns: [],
};

async function start(): Promise<Cluster> {
  const cluster = await startCluster({
    namespaces: ['default', 'going'],
    extensible: (kinds) =>
      coreControllers({ kinds, folders: volumeFolders(), caPem: 'the certificate' }),
  });
  await cluster.client.create(CustomResourceDefinition, {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'bars.ex.com' },
    spec: {
      group: 'ex.com',
      scope: 'Namespaced',
      names: { plural: 'bars', kind: 'Bar' },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: {
            openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
          },
        },
      ],
    },
  });
  await cluster.settled();
  return cluster;
}

function named(name: string, more: object = {}) {
  const metadata = { name, namespace: 'default', ...more };
  return { apiVersion: 'ex.com/v1', kind: 'Bar', metadata };
}

test('custom kinds: garbage is collected, as owners and as dependents', async () => {
  await using cluster = await start();
  const { client } = cluster;
  const owner = await client.create(bar, named('owner'));
  const ownerReferences = [controllerReference(owner)];
  await client.create(bar, named('dependent', { ownerReferences }));
  await client.create(ConfigMap, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'dependent', namespace: 'default', ownerReferences },
  });
  await cluster.steady();
  await client.delete(bar, { namespace: 'default', name: 'owner' });
  await cluster.settled();
  const dependent = { namespace: 'default', name: 'dependent' };
  assert.equal(await client.get(bar, dependent), undefined);
  assert.equal(await client.get(ConfigMap, dependent), undefined);
});

test('custom kinds: a namespace goes with them; a kind that is gone is followed no more', async () => {
  await using cluster = await start();
  const { client } = cluster;
  const namespace = 'going';
  await client.create(bar, named('held', { namespace, finalizers: ['ex.com/hold'] }));
  await client.create(bar, named('free', { namespace }));
  await client.delete(Namespace, { name: namespace });
  await cluster.settled();
  assert.equal(await client.get(bar, { namespace, name: 'free' }), undefined);
  const held = { namespace, name: 'held' };
  await client.patch(bar, held, { metadata: { finalizers: null } }, { type: 'merge' });
  await cluster.advance(2_000);
  assert.equal(await client.get(Namespace, { name: namespace }), undefined);
  assert.ok(cluster.running.informers.running(bar));
  await client.delete(CustomResourceDefinition, { name: 'bars.ex.com' });
  await cluster.settled();
  assert.equal(cluster.running.informers.running(bar), undefined);
});

test('custom kinds: a quota says how many of them there are', async () => {
  await using cluster = await start();
  const { client } = cluster;
  const used = async (): Promise<unknown> =>
    (await client.get(ResourceQuota, { namespace: 'default', name: 'q' }))?.status?.used;
  await client.create(ResourceQuota, {
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { name: 'q', namespace: 'default' },
    spec: { hard: { 'count/bars.ex.com': '2' } },
  });
  await cluster.settled();
  assert.deepEqual(await used(), { 'count/bars.ex.com': '0' });
  await client.create(bar, named('a'));
  await cluster.advance(30_000);
  assert.deepEqual(await used(), { 'count/bars.ex.com': '1' });
  await cluster.steady();
});
