import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '#base/fake-clock.ts';
import { Deployment } from '#api/apps-v1/deployment.ts';
import { ReplicaSet } from '#api/apps-v1/replica-set.ts';
import { Event } from '#api/core-v1/event.ts';
import { ApiError } from '#api/meta/api-error.ts';
import { deploymentController } from '#controllers/core/deployment/deployment-controller.ts';
import { replicaSetController } from '#controllers/core/replica-set/replica-set-controller.ts';
import { startCluster, type Cluster, type ClusterOptions } from '#test/support/cluster.ts';
import { fixture } from '#test/support/fixture.ts';
import { allPodsReady, podNames } from '#test/support/pods.ts';

const HOUR_MS = 60 * 60_000;

const ref = { namespace: 'default', name: 'web' };
const start = (options: ClusterOptions = {}): Promise<Cluster> =>
  startCluster({ ...options, controllers: [deploymentController(), replicaSetController] });

function deployment(spec = ''): Deployment {
  return fixture(`
    apiVersion: apps/v1
    kind: Deployment
    metadata:
      name: web
      namespace: default
      annotations:
        knode.dev/prepared-sandboxes: "1"
        kubectl.kubernetes.io/last-applied-configuration: "{}"
    spec:
      replicas: 2
      ${spec}
      selector: { matchLabels: { app: web } }
      template:
        metadata: { labels: { app: web } }
        spec: { containers: [{ name: web, image: example.com/web:1 }] }
  `);
}

async function setImage({ client }: Cluster, image: string): Promise<void> {
  const patch = { spec: { template: { spec: { containers: [{ name: 'web', image }] } } } };
  await client.patch(Deployment, ref, patch, { type: 'strategic' });
}

function scale({ client }: Cluster, replicas: number): Promise<Deployment> {
  return client.patch(Deployment, ref, { spec: { replicas } }, { type: 'merge' });
}

/** Lets every pod become ready, again and again, until nothing moves: a rollout's whole way. */
async function rollOut(cluster: Cluster): Promise<void> {
  for (let pods = ''; ;) {
    await cluster.settled();
    await allPodsReady(cluster);
    await cluster.settled();
    const now = (await podNames(cluster)).join();
    if (now === pods) return;
    pods = now;
  }
}

async function condition({ client }: Cluster, type: string) {
  const { conditions } = (await client.get(Deployment, ref))?.status ?? {};
  const found = conditions?.find((one) => one.type === type);
  return found && [found.status, found.reason];
}

async function setsByRevision({ client }: Cluster) {
  const { items } = await client.list(ReplicaSet);
  const rows = items.map(({ metadata, spec }) => ({
    revision: metadata.annotations?.['deployment.kubernetes.io/revision'],
    replicas: spec?.replicas,
    image: spec?.template?.spec?.containers[0]?.image,
  }));
  return rows.toSorted((a, b) => Number(a.revision) - Number(b.revision));
}

test('deployment: makes a set that carries its annotations, and reports when its pods are ready', async () => {
  await using cluster = await start();
  const { client } = cluster;
  await client.create(Deployment, deployment());
  await cluster.settled();
  assert.deepEqual(await condition(cluster, 'Available'), ['False', 'MinimumReplicasUnavailable']);
  assert.deepEqual(await condition(cluster, 'Progressing'), ['True', 'ReplicaSetUpdated']);
  await rollOut(cluster);
  const [set] = (await client.list(ReplicaSet)).items;
  assert.match(set?.metadata.name ?? '', /^web-[a-z0-9]{10}$/);
  const hash = set?.metadata.labels?.['pod-template-hash'];
  assert.deepEqual(set?.spec?.selector, { matchLabels: { app: 'web', 'pod-template-hash': hash } });
  assert.deepEqual(set?.metadata.annotations, {
    'knode.dev/prepared-sandboxes': '1',
    'deployment.kubernetes.io/revision': '1',
  });
  const { status, metadata } = (await client.get(Deployment, ref)) ?? {};
  const { conditions: _, ...counts } = status ?? {};
  assert.deepEqual(counts, {
    observedGeneration: 1,
    replicas: 2,
    updatedReplicas: 2,
    readyReplicas: 2,
    availableReplicas: 2,
  });
  assert.equal(metadata?.annotations?.['deployment.kubernetes.io/revision'], '1');
  assert.deepEqual(await condition(cluster, 'Available'), ['True', 'MinimumReplicasAvailable']);
  assert.deepEqual(await condition(cluster, 'Progressing'), ['True', 'NewReplicaSetAvailable']);
  const events = (await client.list(Event)).items.filter(
    (event) => event.reason === 'ScalingReplicaSet',
  );
  assert.match(events[0]?.message ?? '', /^Scaled up replica set web-\w+ from 0 to 2$/);
  await cluster.steady();
});

test('deployment: to zero and back keeps the one set, and stays progressed', async () => {
  await using cluster = await start();
  await cluster.client.create(Deployment, deployment());
  await rollOut(cluster);
  await scale(cluster, 0);
  await rollOut(cluster);
  assert.deepEqual(await podNames(cluster), []);
  assert.deepEqual(await condition(cluster, 'Progressing'), ['True', 'NewReplicaSetAvailable']);
  assert.deepEqual(await condition(cluster, 'Available'), ['True', 'MinimumReplicasAvailable']);
  await cluster.steady();
  await scale(cluster, 3);
  await rollOut(cluster);
  assert.equal((await podNames(cluster)).length, 3);
  assert.equal((await setsByRevision(cluster)).length, 1);
  await cluster.steady();
});

test('deployment: a new template rolls out and never drops below what must be available', async () => {
  await using cluster = await start();
  const { client } = cluster;
  await client.create(
    Deployment,
    deployment('strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } }'),
  );
  await rollOut(cluster);
  await setImage(cluster, 'example.com/web:2');
  await cluster.settled();
  assert.equal((await client.get(Deployment, ref))?.status?.availableReplicas, 2);
  assert.deepEqual(await condition(cluster, 'Progressing'), ['True', 'ReplicaSetUpdated']);
  await rollOut(cluster);
  assert.deepEqual(await setsByRevision(cluster), [
    { revision: '1', replicas: 0, image: 'example.com/web:1' },
    { revision: '2', replicas: 2, image: 'example.com/web:2' },
  ]);
  assert.deepEqual(await condition(cluster, 'Progressing'), ['True', 'NewReplicaSetAvailable']);
  await cluster.steady();
});

test('deployment: going back to an old template makes its set the newest revision', async () => {
  await using cluster = await start();
  await cluster.client.create(Deployment, deployment());
  await rollOut(cluster);
  await setImage(cluster, 'example.com/web:2');
  await rollOut(cluster);
  await setImage(cluster, 'example.com/web:1');
  await rollOut(cluster);
  assert.deepEqual(await setsByRevision(cluster), [
    { revision: '2', replicas: 0, image: 'example.com/web:2' },
    { revision: '3', replicas: 2, image: 'example.com/web:1' },
  ]);
  await cluster.steady();
});

test('deployment: Recreate ends every old pod before a new one starts', async () => {
  await using cluster = await start();
  const { client } = cluster;
  await client.create(Deployment, deployment('strategy: { type: Recreate }'));
  await rollOut(cluster);
  const before = await podNames(cluster);
  await setImage(cluster, 'example.com/web:2');
  await rollOut(cluster);
  const after = await podNames(cluster);
  assert.equal(after.length, 2);
  assert.ok(after.every((name) => !before.includes(name)));
  await cluster.steady();
});

test('deployment: keeps as many old sets as its history limit says', async () => {
  await using cluster = await start();
  await cluster.client.create(Deployment, deployment('revisionHistoryLimit: 1'));
  for (const image of ['example.com/web:1', 'example.com/web:2', 'example.com/web:3']) {
    await setImage(cluster, image);
    await rollOut(cluster);
  }
  const revisions = (await setsByRevision(cluster)).map(({ revision }) => revision);
  assert.deepEqual(revisions, ['2', '3']);
  await cluster.steady();
});

test('deployment: says so when the progress deadline passes, and when it moves again', async () => {
  await using cluster = await start();
  await cluster.client.create(Deployment, deployment('progressDeadlineSeconds: 30'));
  await cluster.settled();
  await cluster.advance(29_000);
  assert.deepEqual(await condition(cluster, 'Progressing'), ['True', 'ReplicaSetUpdated']);
  await cluster.advance(2_000);
  assert.deepEqual(await condition(cluster, 'Progressing'), ['False', 'ProgressDeadlineExceeded']);
  await cluster.steady();
  await rollOut(cluster);
  assert.deepEqual(await condition(cluster, 'Progressing'), ['True', 'NewReplicaSetAvailable']);
  await cluster.steady();
});

test('F10: a rollout has its whole deadline and no more, whatever the clock is set to', async () => {
  for (const jumpMs of [HOUR_MS, -2 * HOUR_MS]) {
    const clock = new FakeClock();
    await using cluster = await start({ clock });
    await cluster.client.create(Deployment, deployment('progressDeadlineSeconds: 30'));
    await cluster.settled();
    await cluster.advance(10_000);
    clock.jump(jumpMs);
    await cluster.steady();
    assert.deepEqual(await condition(cluster, 'Progressing'), ['True', 'ReplicaSetUpdated']);
    await cluster.advance(19_000);
    assert.deepEqual(await condition(cluster, 'Progressing'), ['True', 'ReplicaSetUpdated']);
    await cluster.advance(1_000);
    assert.deepEqual(await condition(cluster, 'Progressing'), [
      'False',
      'ProgressDeadlineExceeded',
    ]);
    await cluster.steady();
  }
});

test('deployment: while paused a new template waits, and rolls out when resumed', async () => {
  await using cluster = await start();
  const { client } = cluster;
  await client.create(Deployment, deployment());
  await rollOut(cluster);
  await client.patch(Deployment, ref, { spec: { paused: true } }, { type: 'merge' });
  await setImage(cluster, 'example.com/web:2');
  await rollOut(cluster);
  assert.equal((await setsByRevision(cluster)).length, 1);
  assert.deepEqual(await condition(cluster, 'Progressing'), ['Unknown', 'DeploymentPaused']);
  await client.patch(Deployment, ref, { spec: { paused: false } }, { type: 'merge' });
  await rollOut(cluster);
  assert.equal((await setsByRevision(cluster)).length, 2);
  assert.deepEqual(await condition(cluster, 'Progressing'), ['True', 'NewReplicaSetAvailable']);
  await cluster.steady();
});

test("deployment: tells of its set's failure to make pods", async () => {
  let isFull = true;
  await using cluster = await start({
    refuse: ({ kind }) =>
      isFull && kind === 'Pod' ? new ApiError('Forbidden', 'full') : undefined,
  });
  await cluster.client.create(Deployment, deployment());
  await cluster.settled();
  assert.deepEqual(await condition(cluster, 'ReplicaFailure'), ['True', 'FailedCreate']);
  isFull = false;
  await cluster.advance(60_000);
  await rollOut(cluster);
  assert.equal(await condition(cluster, 'ReplicaFailure'), undefined);
  await cluster.steady();
});
