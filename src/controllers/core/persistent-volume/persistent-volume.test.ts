import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Event } from '#api/core-v1/event.ts';
import { Node } from '#api/core-v1/node.ts';
import { PersistentVolumeClaim } from '#api/core-v1/persistent-volume-claim.ts';
import { PersistentVolume } from '#api/core-v1/persistent-volume.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { StorageClass } from '#api/storage-v1/storage-class.ts';
import { claimController } from '#controllers/core/persistent-volume/claim-controller.ts';
import { ephemeralVolumeController } from '#controllers/core/persistent-volume/ephemeral-volume-controller.ts';
import { volumeController } from '#controllers/core/persistent-volume/volume-controller.ts';
import { scheduler } from '#controllers/core/scheduler/scheduler.ts';
import { startCluster, type Cluster } from '#test/support/cluster.ts';
import { volumeFolders } from '#test/support/volume-folders.ts';
import { fixture } from '#test/support/fixture.ts';

interface Bed extends AsyncDisposable {
  readonly cluster: Cluster;
  /** The folders removed, in order. */
  readonly removed: readonly string[];
}

/** A cluster with a node and the class `local`, whose volumes are folders. */
async function startBed(): Promise<Bed> {
  const folders = volumeFolders();
  const cluster = await startCluster({
    controllers: [
      claimController(folders),
      volumeController(folders),
      ephemeralVolumeController,
      scheduler(),
    ],
  });
  const { client } = cluster;
  const node = await client.create(
    Node,
    fixture<Node>('{ metadata: { name: n, labels: { kubernetes.io/hostname: n } } }'),
  );
  const conditions = [{ type: 'Ready', status: 'True' }];
  await client.updateStatus(Node, { ...node, status: { conditions } });
  const annotations = `{ storageclass.kubernetes.io/is-default-class: "true" }`;
  await client.create(
    StorageClass,
    fixture<StorageClass>(`
      metadata: { name: local, annotations: ${annotations} }
      provisioner: knode.dev/local
      volumeBindingMode: WaitForFirstConsumer
    `),
  );
  return {
    cluster,
    removed: folders.removed,
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
}

function claimed(name: string, spec = ''): PersistentVolumeClaim {
  return fixture(`
    apiVersion: v1
    kind: PersistentVolumeClaim
    metadata: { name: ${name}, namespace: default }
    spec: { accessModes: [ReadWriteOnce], resources: { requests: { storage: 1Gi } }, ${spec} }
  `);
}

function volume(name: string, spec = 'capacity: { storage: 1Gi }'): PersistentVolume {
  return fixture(`
    apiVersion: v1
    kind: PersistentVolume
    metadata: { name: ${name}, labels: { disk: ${name} } }
    spec: { accessModes: [ReadWriteOnce, ReadOnlyMany], hostPath: { path: /data }, ${spec} }
  `);
}

function podWith(source: string): Pod {
  return fixture(`
    apiVersion: v1
    kind: Pod
    metadata: { name: web, namespace: default }
    spec:
      containers: [{ name: web, image: example.com/web }]
      volumes: [{ name: data, ${source} }]
  `);
}

const inDefault = (name: string) => ({ namespace: 'default', name });

async function claimState({ client }: Cluster, name: string) {
  const claim = await client.get(PersistentVolumeClaim, inDefault(name));
  return [claim?.status?.phase, claim?.spec?.volumeName];
}

async function phaseOf({ client }: Cluster, name: string): Promise<string | undefined> {
  return (await client.get(PersistentVolume, { name }))?.status?.phase;
}

async function reasons({ client }: Cluster): Promise<string[]> {
  return (await client.list(Event)).items.map(({ reason = '' }) => reason).toSorted(compare);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

test('persistent volumes: one is made for a claim when its first pod has a node, and goes with the claim', async () => {
  await using bed = await startBed();
  const { cluster, removed } = bed;
  const { client } = cluster;
  await client.create(PersistentVolumeClaim, claimed('data'));
  await cluster.settled();
  assert.deepEqual(await claimState(cluster, 'data'), ['Pending', undefined]);
  assert.deepEqual(await reasons(cluster), ['WaitForFirstConsumer']);
  await cluster.steady();

  await client.create(Pod, podWith('persistentVolumeClaim: { claimName: data }'));
  await cluster.settled();
  const claim = await client.get(PersistentVolumeClaim, inDefault('data'));
  const name = `pvc-${claim?.metadata.uid}`;
  assert.deepEqual(await claimState(cluster, 'data'), ['Bound', name]);
  assert.deepEqual(claim?.status?.capacity, { storage: '1Gi' });
  const made = await client.get(PersistentVolume, { name });
  assert.equal(made?.status?.phase, 'Bound');
  assert.equal(made.spec?.local?.path, `/volumes/${name}`);
  assert.equal(made.spec.storageClassName, 'local');
  const pod = await client.get(Pod, inDefault('web'));
  assert.equal(pod?.spec?.nodeName, 'n');
  await cluster.steady();

  await client.delete(PersistentVolumeClaim, inDefault('data'));
  await cluster.settled();
  assert.deepEqual(await claimState(cluster, 'data'), ['Bound', name], 'a pod uses it');
  await client.delete(Pod, inDefault('web'), { gracePeriodSeconds: 0 });
  await cluster.settled();
  assert.equal(await client.get(PersistentVolumeClaim, inDefault('data')), undefined);
  assert.equal(await client.get(PersistentVolume, { name }), undefined);
  assert.deepEqual(removed, [name]);
  await cluster.steady();
});

test('persistent volumes: a claim takes the smallest that has what it asks for, and leaves it as its policy says', async () => {
  await using bed = await startBed();
  const { cluster, removed } = bed;
  const { client } = cluster;
  await client.create(PersistentVolume, volume('large', 'capacity: { storage: 9Gi }'));
  await client.create(PersistentVolume, volume('small', 'capacity: { storage: 100Mi }'));
  await client.create(PersistentVolume, volume('right', 'capacity: { storage: 2Gi }'));
  await cluster.settled();
  assert.equal(await phaseOf(cluster, 'large'), 'Available');
  await client.create(PersistentVolumeClaim, claimed('data', 'storageClassName: ""'));
  await cluster.settled();
  assert.deepEqual(await claimState(cluster, 'data'), ['Bound', 'right']);
  assert.equal(await phaseOf(cluster, 'right'), 'Bound');
  await cluster.steady();

  await client.delete(PersistentVolume, { name: 'right' });
  await cluster.settled();
  assert.equal(await phaseOf(cluster, 'right'), 'Bound', 'a claim has it');
  await client.delete(PersistentVolumeClaim, inDefault('data'));
  await cluster.settled();
  assert.equal(await phaseOf(cluster, 'right'), undefined);
  assert.deepEqual(removed, [], 'what a person made, a person removes');
  await cluster.steady();
});

test('persistent volumes: one that is kept is released, and nobody else gets it', async () => {
  await using bed = await startBed();
  const { cluster } = bed;
  const { client } = cluster;
  await client.create(PersistentVolume, volume('kept'));
  await client.create(PersistentVolumeClaim, claimed('one', 'storageClassName: ""'));
  await cluster.settled();
  await client.delete(PersistentVolumeClaim, inDefault('one'));
  await client.create(PersistentVolumeClaim, claimed('two', 'storageClassName: ""'));
  await cluster.settled();
  assert.equal(await phaseOf(cluster, 'kept'), 'Released');
  assert.deepEqual(await claimState(cluster, 'two'), ['Pending', undefined]);
  await cluster.steady();
  await client.patch(
    PersistentVolume,
    { name: 'kept' },
    { spec: { claimRef: null } },
    { type: 'merge' },
  );
  await cluster.settled();
  assert.deepEqual(await claimState(cluster, 'two'), ['Bound', 'kept']);
  await cluster.steady();
});

test('persistent volumes: selectors, names and reservations decide', async () => {
  await using bed = await startBed();
  const { cluster } = bed;
  const { client } = cluster;
  await client.create(PersistentVolume, volume('a'));
  await client.create(PersistentVolume, volume('b'));
  await client.create(
    PersistentVolume,
    volume(
      'c',
      'capacity: { storage: 1Gi }, claimRef: { namespace: default, name: by-reservation }',
    ),
  );
  await client.create(PersistentVolume, volume('d', 'capacity: { storage: 1Mi }'));
  await cluster.settled();
  const none = 'storageClassName: ""';
  await client.create(
    PersistentVolumeClaim,
    claimed('by-label', `${none}, selector: { matchLabels: { disk: b } }`),
  );
  await client.create(PersistentVolumeClaim, claimed('by-name', `${none}, volumeName: a`));
  await client.create(PersistentVolumeClaim, claimed('by-reservation', none));
  await client.create(PersistentVolumeClaim, claimed('too-large', `${none}, volumeName: d`));
  await client.create(PersistentVolumeClaim, claimed('too-late', `${none}, volumeName: a`));
  await cluster.settled();
  assert.deepEqual(await claimState(cluster, 'by-label'), ['Bound', 'b']);
  assert.deepEqual(await claimState(cluster, 'by-name'), ['Bound', 'a']);
  assert.deepEqual(await claimState(cluster, 'by-reservation'), ['Bound', 'c']);
  assert.deepEqual(await claimState(cluster, 'too-large'), ['Pending', 'd']);
  assert.deepEqual(await claimState(cluster, 'too-late'), ['Pending', 'a']);
  assert.deepEqual(await reasons(cluster), ['FailedBinding', 'VolumeMismatch']);
  await cluster.steady();
});

test('persistent volumes: a claim whose volume is gone says that it is lost', async () => {
  await using bed = await startBed();
  const { cluster } = bed;
  const { client } = cluster;
  await client.create(PersistentVolume, volume('a'));
  await cluster.settled();
  await client.create(PersistentVolumeClaim, claimed('data', 'storageClassName: ""'));
  await cluster.settled();
  await client.delete(PersistentVolume, { name: 'a' });
  await client.patch(
    PersistentVolume,
    { name: 'a' },
    { metadata: { finalizers: null } },
    { type: 'merge' },
  );
  await cluster.settled();
  assert.deepEqual(await claimState(cluster, 'data'), ['Lost', 'a']);
  assert.deepEqual(await reasons(cluster), ['ClaimLost']);
  await cluster.steady();
});

test('persistent volumes: a pod has the claim of its ephemeral volume made, and waits for claims that are not there', async () => {
  await using bed = await startBed();
  const { cluster } = bed;
  const { client } = cluster;
  const template =
    'spec: { accessModes: [ReadWriteOnce], resources: { requests: { storage: 1Gi } } }';
  await client.create(Pod, podWith(`ephemeral: { volumeClaimTemplate: { ${template} } }`));
  const other = podWith('persistentVolumeClaim: { claimName: absent }');
  await client.create(Pod, { ...other, metadata: inDefault('other') });
  await cluster.settled();
  const [phase] = await claimState(cluster, 'web-data');
  assert.equal(phase, 'Bound');
  assert.equal((await client.get(Pod, inDefault('web')))?.spec?.nodeName, 'n');
  const waiting = await client.get(Pod, inDefault('other'));
  assert.equal(waiting?.spec?.nodeName, undefined);
  assert.equal(
    waiting?.status?.conditions?.[0]?.message,
    '0/1 nodes are available: persistentvolumeclaim "absent" not found.',
  );
  await cluster.steady();
  await client.create(PersistentVolumeClaim, claimed('absent'));
  await cluster.settled();
  assert.equal((await client.get(Pod, inDefault('other')))?.spec?.nodeName, 'n');
  await cluster.steady();
});

test('persistent volumes: what our folders cannot be is said, and what others provision is left to them', async () => {
  await using bed = await startBed();
  const { cluster } = bed;
  const { client } = cluster;
  await client.create(
    StorageClass,
    fixture<StorageClass>('{ metadata: { name: now }, provisioner: knode.dev/local }'),
  );
  await client.create(
    StorageClass,
    fixture<StorageClass>('{ metadata: { name: other }, provisioner: example.com/disk }'),
  );
  await client.create(
    PersistentVolumeClaim,
    claimed('block', 'storageClassName: now, volumeMode: Block'),
  );
  await client.create(PersistentVolumeClaim, claimed('other', 'storageClassName: other'));
  await client.create(PersistentVolumeClaim, claimed('now', 'storageClassName: now'));
  await client.create(PersistentVolumeClaim, claimed('unknown', 'storageClassName: unknown'));
  await cluster.settled();
  assert.equal((await claimState(cluster, 'now'))[0], 'Bound');
  const told = (await client.list(Event)).items.map(
    ({ involvedObject, message }) => `${involvedObject.name}: ${message?.slice(0, 60)}`,
  );
  assert.deepEqual(told.filter((text) => !text.startsWith('now')).toSorted(compare), [
    'block: failed to provision volume with StorageClass "now": volumeMo',
    'other: Waiting for a volume to be created either by the external pr',
    'unknown: storageclass.storage.k8s.io "unknown" not found',
  ]);
  const { annotations } =
    (await client.get(PersistentVolumeClaim, inDefault('other')))?.metadata ?? {};
  assert.equal(annotations?.['volume.kubernetes.io/storage-provisioner'], 'example.com/disk');
  await cluster.steady();
});
