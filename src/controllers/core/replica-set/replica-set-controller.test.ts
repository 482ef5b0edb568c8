import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReplicaSet } from '#api/apps-v1/replica-set.ts';
import { Event } from '#api/core-v1/event.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { forbidden } from '#api/meta/api-error.ts';
import { controllerOf } from '#api/meta/object-meta.ts';
import { replicaSetController } from '#controllers/core/replica-set/replica-set-controller.ts';
import { startCluster, type Cluster } from '#test/support/cluster.ts';
import { fixture } from '#test/support/fixture.ts';
import { allPodsReady, podNames } from '#test/support/pods.ts';

const ref = { namespace: 'default', name: 'web' };

function replicaSet(replicas: number): ReplicaSet {
  return fixture(`
    apiVersion: apps/v1
    kind: ReplicaSet
    metadata: { name: web, namespace: default }
    spec:
      replicas: ${replicas}
      selector: { matchLabels: { app: web } }
      template:
        metadata: { labels: { app: web }, annotations: { a: b } }
        spec: { containers: [{ name: web, image: example.com/web }] }
  `);
}

function scale({ client }: Cluster, replicas: number): Promise<ReplicaSet> {
  return client.patch(ReplicaSet, ref, { spec: { replicas } }, { type: 'merge' });
}

test('replica set: makes the pods it asks for, and says how far they are', async () => {
  await using cluster = await startCluster({ controllers: [replicaSetController] });
  const { client } = cluster;
  const { metadata } = await client.create(ReplicaSet, replicaSet(3));
  await cluster.settled();
  const { items } = await client.list(Pod, { namespace: 'default' });
  assert.equal(items.length, 3);
  for (const pod of items) {
    assert.match(pod.metadata.name ?? '', /^web-[a-z0-9]{5}$/);
    assert.deepEqual(pod.metadata.labels, { app: 'web' });
    assert.deepEqual(pod.metadata.annotations, { a: 'b' });
    assert.equal(controllerOf(pod)?.uid, metadata.uid);
  }
  await allPodsReady(cluster);
  await cluster.settled();
  const status = (await client.get(ReplicaSet, ref))?.status;
  assert.deepEqual(status, {
    replicas: 3,
    fullyLabeledReplicas: 3,
    readyReplicas: 3,
    availableReplicas: 3,
    observedGeneration: 1,
  });
  await cluster.steady();
});

test('replica set: replaces a pod that failed or is being deleted, and scales in', async () => {
  await using cluster = await startCluster({ controllers: [replicaSetController] });
  const { client } = cluster;
  await client.create(ReplicaSet, replicaSet(2));
  await cluster.settled();
  const [first = ''] = await podNames(cluster);
  await client.delete(Pod, { namespace: 'default', name: first });
  await cluster.settled();
  const replaced = await podNames(cluster);
  assert.equal(replaced.length, 2);
  assert.ok(!replaced.includes(first));
  await scale(cluster, 0);
  await cluster.settled();
  assert.deepEqual(await podNames(cluster), []);
  assert.equal((await client.get(ReplicaSet, ref))?.status?.replicas, 0);
  await cluster.steady();
});

test('replica set: adopts pods that match, and releases one that matches no longer', async () => {
  await using cluster = await startCluster({ controllers: [replicaSetController] });
  const { client } = cluster;
  const orphan = fixture<Pod>(`
    apiVersion: v1
    kind: Pod
    metadata: { name: orphan, namespace: default, labels: { app: web } }
    spec: { containers: [{ name: web, image: example.com/web }] }
  `);
  await client.create(ReplicaSet, replicaSet(1));
  await client.create(Pod, orphan);
  await cluster.settled();
  const names = await podNames(cluster);
  assert.equal(names.length, 1);
  const [name = ''] = names;
  const labels = { metadata: { labels: { app: 'other' } } };
  await client.patch(Pod, { namespace: 'default', name }, labels, { type: 'merge' });
  await cluster.settled();
  const released = await client.get(Pod, { namespace: 'default', name });
  assert.equal(released && controllerOf(released), undefined);
  assert.equal((await podNames(cluster)).length, 2);
  await cluster.steady();
});

test('replica set: says in its condition why the server refuses its pods', async () => {
  let isFull = true;
  await using cluster = await startCluster({
    controllers: [replicaSetController],
    refuse: ({ kind }) =>
      isFull && kind === 'Pod' ? forbidden(Pod, '', 'the quota is full') : undefined,
  });
  const { client } = cluster;
  await client.create(ReplicaSet, replicaSet(4));
  await cluster.settled();
  const status = (await client.get(ReplicaSet, ref))?.status;
  const [condition] = status?.conditions ?? [];
  assert.equal(condition?.type, 'ReplicaFailure');
  assert.equal(condition.reason, 'FailedCreate');
  assert.equal(condition.message, 'pods is forbidden: the quota is full');
  const events = (await client.list(Event)).items.filter(({ type }) => type === 'Warning');
  assert.deepEqual(
    events.map(({ message, count }) => [message, count]),
    [['Error creating: pods is forbidden: the quota is full', 1]],
  );
  isFull = false;
  await cluster.advance(60_000);
  assert.equal((await podNames(cluster)).length, 4);
  assert.deepEqual((await client.get(ReplicaSet, ref))?.status?.conditions ?? [], []);
  await cluster.steady();
});

test('replica set: a pod counts as available once it was ready for minReadySeconds', async () => {
  await using cluster = await startCluster({ controllers: [replicaSetController] });
  const { client } = cluster;
  const slow = replicaSet(1);
  await client.create(ReplicaSet, {
    ...slow,
    spec: { ...slow.spec, minReadySeconds: 10 } as never,
  });
  await cluster.settled();
  await allPodsReady(cluster);
  await cluster.settled();
  assert.equal((await client.get(ReplicaSet, ref))?.status?.availableReplicas, undefined);
  await cluster.advance(10_000);
  assert.equal((await client.get(ReplicaSet, ref))?.status?.availableReplicas, 1);
  await cluster.steady();
});

test('replica set: pods that are refused by their names, another each time, are tried ever later', async () => {
  let asked = 0;
  await using cluster = await startCluster({
    controllers: [replicaSetController],
    refuse: ({ kind, metadata }) => {
      if (kind !== 'Pod') return undefined;
      asked += 1;
      return forbidden(Pod, metadata.name ?? '', 'nobody likes it');
    },
  });
  await cluster.client.create(ReplicaSet, replicaSet(1));
  await cluster.settled();
  const before = asked;
  assert.ok(before > 1 && before < 12, `asked ${before} times`);
  for (let second = 0; second < 600; second += 1) await cluster.advance(1_000);
  // 2.56 s after the last attempt, and twice as long each time.
  assert.ok(asked - before <= 9, `asked ${asked - before} times in ten minutes`);
});
