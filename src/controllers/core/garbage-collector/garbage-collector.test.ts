import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReplicaSet } from '#api/apps-v1/replica-set.ts';
import { Deployment } from '#api/apps-v1/deployment.ts';
import { ConfigMap } from '#api/core-v1/config-map.ts';
import { Namespace } from '#api/core-v1/namespace.ts';
import { Pod } from '#api/core-v1/pod.ts';
import {
  controllerReference,
  type KubeObject,
  type OwnerReference,
} from '#api/meta/object-meta.ts';
import { deploymentController } from '#controllers/core/deployment/deployment-controller.ts';
import { garbageCollector } from '#controllers/core/garbage-collector/garbage-collector.ts';
import { replicaSetController } from '#controllers/core/replica-set/replica-set-controller.ts';
import { startCluster, type Cluster } from '#test/support/cluster.ts';
import { coreKinds } from '#api/kinds.ts';
import { fixedKinds } from '#api/served-kinds.ts';
import { fixture } from '#test/support/fixture.ts';
import { podNames } from '#test/support/pods.ts';

const loops = [garbageCollector(fixedKinds(coreKinds))];

function make(
  { client }: Cluster,
  name: string,
  metadata: Partial<KubeObject['metadata']> = {},
): Promise<ConfigMap> {
  const object = { apiVersion: 'v1', kind: 'ConfigMap' };
  return client.create(ConfigMap, {
    ...object,
    metadata: { name, namespace: 'default', ...metadata },
  });
}

function find({ client }: Cluster, name: string): Promise<ConfigMap | undefined> {
  return client.get(ConfigMap, { namespace: 'default', name });
}

function remove(
  { client }: Cluster,
  name: string,
  propagationPolicy?: 'Foreground' | 'Background' | 'Orphan',
): Promise<void> {
  const ref = { namespace: 'default', name };
  return client.delete(ConfigMap, ref, propagationPolicy ? { propagationPolicy } : {});
}

function owned(...owners: readonly KubeObject[]): { ownerReferences: OwnerReference[] } {
  // One object can have but one controller.
  const references = owners.map(controllerReference);
  return { ownerReferences: references.map((one, at) => ({ ...one, controller: at === 0 })) };
}

test('garbage collector: what depends on a deleted object goes, all the way down', async () => {
  await using cluster = await startCluster({ loops });
  const top = await make(cluster, 'top');
  const middle = await make(cluster, 'middle', owned(top));
  await make(cluster, 'bottom', owned(middle));
  const other = await make(cluster, 'other');
  await make(cluster, 'shared', owned(top, other));
  await cluster.settled();
  await remove(cluster, 'top');
  await cluster.settled();
  assert.equal(await find(cluster, 'middle'), undefined);
  assert.equal(await find(cluster, 'bottom'), undefined);
  const shared = await find(cluster, 'shared');
  assert.deepEqual(
    shared?.metadata.ownerReferences?.map(({ name }) => name),
    ['other'],
  );
  await cluster.steady();
});

test('garbage collector: foreground deletion waits for those that block it', async () => {
  await using cluster = await startCluster({ loops });
  const top = await make(cluster, 'top');
  const middle = await make(cluster, 'middle', owned(top));
  await make(cluster, 'bottom', { ...owned(middle), finalizers: ['example.com/hold'] });
  await cluster.settled();
  await remove(cluster, 'top', 'Foreground');
  await cluster.settled();
  assert.deepEqual((await find(cluster, 'top'))?.metadata.finalizers, ['foregroundDeletion']);
  assert.deepEqual((await find(cluster, 'middle'))?.metadata.finalizers, ['foregroundDeletion']);
  assert.ok((await find(cluster, 'bottom'))?.metadata.deletionTimestamp);
  await cluster.steady();
  const free = { metadata: { finalizers: null } };
  await cluster.client.patch(ConfigMap, { namespace: 'default', name: 'bottom' }, free, {
    type: 'merge',
  });
  await cluster.settled();
  for (const name of ['top', 'middle', 'bottom'])
    assert.equal(await find(cluster, name), undefined);
  await cluster.steady();
});

test('garbage collector: orphaning cuts the references and keeps the rest', async () => {
  await using cluster = await startCluster({ loops });
  const top = await make(cluster, 'top');
  await make(cluster, 'middle', owned(top));
  await cluster.settled();
  await remove(cluster, 'top', 'Orphan');
  await cluster.settled();
  assert.equal(await find(cluster, 'top'), undefined);
  const middle = await find(cluster, 'middle');
  assert.ok(middle);
  assert.deepEqual(middle.metadata.ownerReferences ?? [], []);
  await cluster.steady();
});

test('garbage collector: an owner of another uid is gone, one of an unknown kind is not', async () => {
  await using cluster = await startCluster({ loops });
  const top = await make(cluster, 'top');
  const past = { ...controllerReference(top), uid: 'of-a-former-life' };
  await make(cluster, 'late', { ownerReferences: [past] });
  const foreign = { apiVersion: 'example.com/v1', kind: 'Widget', name: 'w', uid: 'u' };
  await make(cluster, 'foreign', { ownerReferences: [foreign] });
  const namespace = await cluster.client.get(Namespace, { name: 'default' });
  assert.ok(namespace);
  await make(cluster, 'of-namespace', owned(namespace));
  await cluster.settled();
  assert.equal(await find(cluster, 'late'), undefined);
  assert.ok(await find(cluster, 'foreign'));
  assert.ok(await find(cluster, 'of-namespace'));
  await cluster.steady();
});

test('garbage collector: a deleted Deployment takes its sets and pods with it, in either way', async () => {
  const controllers = [deploymentController(), replicaSetController];
  for (const propagationPolicy of ['Background', 'Foreground'] as const) {
    await using cluster = await startCluster({ controllers, loops });
    const { client } = cluster;
    const deployment = fixture<Deployment>(`
      apiVersion: apps/v1
      kind: Deployment
      metadata: { name: web, namespace: default }
      spec:
        replicas: 3
        selector: { matchLabels: { app: web } }
        template:
          metadata: { labels: { app: web } }
          spec: { containers: [{ name: web, image: example.com/web:1 }] }
    `);
    await client.create(Deployment, deployment);
    await cluster.settled();
    assert.equal((await podNames(cluster)).length, 3);
    await client.delete(Deployment, { namespace: 'default', name: 'web' }, { propagationPolicy });
    await cluster.settled();
    for (const kind of [Deployment, ReplicaSet, Pod]) {
      assert.equal((await client.list<KubeObject>(kind)).items.length, 0, kind.kind);
    }
    await cluster.steady();
  }
});
