import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  clusterUnderTest,
  uniqueName,
  type ClusterUnderTest,
} from '#test/support/cluster-under-test.ts';
import { at, type WatchEvent } from '#test/support/wire.ts';

const MERGE = { headers: { 'content-type': 'application/merge-patch+json' } };

async function withConfigMaps() {
  const cluster = await clusterUnderTest();
  const namespace = await cluster.namespace();
  const maps = `/api/v1/namespaces/${namespace}/configmaps`;
  return {
    ...cluster,
    namespace,
    maps,
    make: async (name: string, metadata: object = {}): Promise<{ name: string; uid: string }> => {
      const { status, body } = await cluster.send('POST', maps, {
        metadata: { name, ...metadata },
      });
      assert.equal(status, 201, JSON.stringify(body));
      return { name, uid: String(at(body, 'metadata.uid')) };
    },
  };
}

function ownedBy({ name, uid }: { name: string; uid: string }, more: object = {}): object {
  return { ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name, uid, ...more }] };
}

/** Follows one object until an event is as wanted; the test's own timeout ends a wait in vain. */
async function until(
  { watch }: Pick<ClusterUnderTest, 'watch'>,
  { list, name }: { readonly list: string; readonly name: string },
  isWanted: (event: WatchEvent) => boolean,
): Promise<void> {
  const marked =
    'sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true';
  let isThere = false;
  for await (const event of watch(
    `${list}?watch=1&fieldSelector=metadata.name%3D${name}&${marked}`,
  )) {
    if (event.type !== 'BOOKMARK') isThere = true;
    // Gone before the watch began is as good as seen going.
    if (event.type === 'BOOKMARK' ? !isThere : isWanted(event)) return;
  }
  assert.fail(`the watch of ${name} ended before what it waited for`);
}

const isGone = ({ type }: WatchEvent): boolean => type === 'DELETED';

test('delete: finalizers keep an object, which then only loses them', async () => {
  const { maps, make, send } = await withConfigMaps();
  await make('a', { finalizers: ['example.com/wait'] });
  const marked = await send('DELETE', `${maps}/a`);
  assert.equal(marked.status, 200);
  assert.equal(at(marked.body, 'kind'), 'ConfigMap');
  assert.match(String(at(marked.body, 'metadata.deletionTimestamp')), /Z$/);
  assert.equal(at(marked.body, 'metadata.deletionGracePeriodSeconds'), 0);
  const more = { metadata: { finalizers: ['example.com/wait', 'example.com/late'] } };
  const refused = await send('PATCH', `${maps}/a`, more, MERGE);
  assert.equal(refused.status, 422);
  assert.match(
    String(at(refused.body, 'message')),
    /metadata\.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers/,
  );
  const none = { metadata: { finalizers: null } };
  assert.equal((await send('PATCH', `${maps}/a`, none, MERGE)).status, 200);
  assert.equal((await send('GET', `${maps}/a`)).status, 404);
});

test('delete: what is owned goes with its owner', async () => {
  const it = await withConfigMaps();
  const { maps, make, send } = it;
  const owner = await make('owner');
  await make('owned', ownedBy(owner));
  assert.equal((await send('DELETE', `${maps}/owner`)).status, 200);
  await until(it, { list: maps, name: 'owned' }, isGone);
});

test('delete: what says a wrong uid of its owner goes at once', async () => {
  const it = await withConfigMaps();
  const { maps, make } = it;
  const owner = await make('owner');
  await make('owned', ownedBy({ name: owner.name, uid: '00000000-0000-0000-0000-000000000000' }));
  await until(it, { list: maps, name: 'owned' }, isGone);
});

test('delete: in the foreground, the owner goes last', async () => {
  const it = await withConfigMaps();
  const { maps, make, send } = it;
  const owner = await make('owner');
  await make('owned', {
    ...ownedBy(owner, { blockOwnerDeletion: true }),
    finalizers: ['example.com/wait'],
  });
  const marked = await send('DELETE', `${maps}/owner`, { propagationPolicy: 'Foreground' });
  assert.deepEqual(at(marked.body, 'metadata.finalizers'), ['foregroundDeletion']);
  await until(it, { list: maps, name: 'owned' }, ({ object }) =>
    Boolean(at(object, 'metadata.deletionTimestamp')),
  );
  assert.equal((await send('GET', `${maps}/owner`)).status, 200);
  await send('PATCH', `${maps}/owned`, { metadata: { finalizers: null } }, MERGE);
  await until(it, { list: maps, name: 'owner' }, isGone);
});

test('delete: orphans stay and forget their owner', async () => {
  const it = await withConfigMaps();
  const { maps, make, send } = it;
  const owner = await make('owner');
  await make('owned', ownedBy(owner));
  const marked = await send('DELETE', `${maps}/owner?propagationPolicy=Orphan`);
  assert.deepEqual(at(marked.body, 'metadata.finalizers'), ['orphan']);
  await until(it, { list: maps, name: 'owner' }, isGone);
  const { status, body } = await send('GET', `${maps}/owned`);
  assert.equal(status, 200);
  assert.equal(at(body, 'metadata.ownerReferences'), undefined);
});

test('delete: a collection, of what is selected', async () => {
  const { maps, make, send } = await withConfigMaps();
  await make('a', { labels: { go: 'yes' } });
  await make('b', { labels: { go: 'yes' } });
  await make('c');
  const dry = await send('DELETE', `${maps}?labelSelector=go%3Dyes&dryRun=All`);
  assert.equal(dry.status, 200);
  assert.equal((await send('GET', `${maps}/a`)).status, 200);
  const reply = await send('DELETE', `${maps}?labelSelector=go%3Dyes`);
  assert.equal(reply.status, 200);
  assert.equal(at(reply.body, 'kind'), 'ConfigMapList');
  assert.equal((at(reply.body, 'items') as object[]).length, 2);
  assert.equal((await send('GET', `${maps}/a`)).status, 404);
  assert.equal((await send('GET', `${maps}/c`)).status, 200);
});

test('delete: a namespace is emptied, says so, and takes nothing new', async () => {
  const it = await withConfigMaps();
  const { namespace, maps, make, send } = it;
  await make('stays', { finalizers: ['example.com/wait'] });
  const target = `/api/v1/namespaces/${namespace}`;
  const marked = await send('DELETE', target);
  assert.equal(marked.status, 200);
  assert.equal(at(marked.body, 'status.phase'), 'Terminating');
  assert.equal(at(marked.body, 'metadata.deletionGracePeriodSeconds'), undefined);
  assert.deepEqual(at(marked.body, 'spec.finalizers'), ['kubernetes']);
  const late = await send('POST', maps, { metadata: { name: 'late' } });
  assert.equal(late.status, 403);
  assert.equal(
    at(late.body, 'message'),
    `configmaps "late" is forbidden: unable to create new content in namespace ${namespace} because it is being terminated`,
  );
  assert.equal(at(late.body, 'details.causes.0.reason'), 'NamespaceTerminating');
  type Condition = { type: string; status: string; reason: string; message: string };
  let seen: Condition[] = [];
  await until(it, { list: '/api/v1/namespaces', name: namespace }, ({ object }) => {
    seen = (at(object, 'status.conditions') ?? []) as Condition[];
    return seen.some(
      ({ type, status }) => type === 'NamespaceFinalizersRemaining' && status === 'True',
    );
  });
  const summary = Object.fromEntries(
    seen.map(({ type, status, reason }) => [type, `${status} ${reason}`]),
  );
  assert.deepEqual(summary, {
    NamespaceDeletionDiscoveryFailure: 'False ResourcesDiscovered',
    NamespaceDeletionGroupVersionParsingFailure: 'False ParsedGroupVersions',
    NamespaceDeletionContentFailure: 'False ContentDeleted',
    NamespaceContentRemaining: 'True SomeResourcesRemain',
    NamespaceFinalizersRemaining: 'True SomeFinalizersRemain',
  });
  const messageOf = (wanted: string): string | undefined =>
    seen.find(({ type }) => type === wanted)?.message;
  assert.equal(
    messageOf('NamespaceContentRemaining'),
    'Some resources are remaining: configmaps. has 1 resource instances',
  );
  assert.equal(
    messageOf('NamespaceFinalizersRemaining'),
    'Some content in the namespace has finalizers remaining: example.com/wait in 1 resource instances',
  );
  await send('PATCH', `${maps}/stays`, { metadata: { finalizers: null } }, MERGE);
  await until(it, { list: '/api/v1/namespaces', name: namespace }, isGone);
});

test('delete: pods without a node go at once, and are told whole', async () => {
  const { namespace, send } = await withConfigMaps();
  const pods = `/api/v1/namespaces/${namespace}/pods`;
  const spec = { containers: [{ name: 'main', image: 'sample:v1' }] };
  const created = await send('POST', pods, { metadata: { name: 'a' }, spec });
  assert.equal(created.status, 201, JSON.stringify(created.body));
  const { status, body } = await send('DELETE', `${pods}/a?gracePeriodSeconds=30`);
  assert.equal(status, 200);
  assert.equal(at(body, 'kind'), 'Pod');
  assert.equal((await send('GET', `${pods}/a`)).status, 404);
});

test('delete: a pod on a node is given less time when asked again, and never less than none', async () => {
  const { namespace, send } = await withConfigMaps();
  const pods = `/api/v1/namespaces/${namespace}/pods`;
  const spec = { nodeName: 'nowhere', containers: [{ name: 'main', image: 'sample:v1' }] };
  assert.equal((await send('POST', pods, { metadata: { name: 'a' }, spec })).status, 201);
  const asked = async (gracePeriodSeconds: number): Promise<unknown> => {
    const { status, body } = await send('DELETE', `${pods}/a`, { gracePeriodSeconds });
    assert.equal(status, 200);
    return at(body, 'metadata.deletionGracePeriodSeconds');
  };
  assert.equal(await asked(20), 20);
  assert.equal(await asked(10), 10);
  assert.equal(await asked(15), 10);
  assert.equal(await asked(-1), 1);
  assert.equal((await send('GET', `${pods}/a`)).status, 200);
  await asked(0);
  assert.equal((await send('GET', `${pods}/a`)).status, 404);
});

test('delete: of some kinds it is told what is gone, of the others that it is', async () => {
  const { namespace, send } = await withConfigMaps();
  const within = `/api/v1/namespaces/${namespace}`;
  const name = uniqueName('gone');
  const container = { name: 'main', image: 'sample:v1' };
  const kinds: readonly [collection: string, kind: string, object: object][] = [
    [`${within}/serviceaccounts`, 'ServiceAccount', {}],
    [`${within}/services`, 'Service', { spec: { clusterIP: 'None' } }],
    [`${within}/podtemplates`, 'PodTemplate', { template: { spec: { containers: [container] } } }],
    [`${within}/resourcequotas`, 'ResourceQuota', { spec: {} }],
    ['/apis/storage.k8s.io/v1/storageclasses', 'StorageClass', { provisioner: 'example.com/x' }],
    [`${within}/configmaps`, 'Status', {}],
    [`${within}/secrets`, 'Status', {}],
    [`/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`, 'Status', {}],
  ];
  for (const [collection, kind, object] of kinds) {
    const made = await send('POST', collection, { metadata: { name }, ...object });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    const { status, body } = await send('DELETE', `${collection}/${name}`);
    assert.equal(status, 200);
    assert.equal(at(body, 'kind'), kind, collection);
    const place = kind === 'Status' ? 'details' : 'metadata';
    assert.equal(at(body, `${place}.uid`), at(made.body, 'metadata.uid'));
  }
});

test('delete: a job leaves its pods unless told otherwise, and says so', async () => {
  const { namespace, send } = await withConfigMaps();
  const jobs = `/apis/batch/v1/namespaces/${namespace}/jobs`;
  const containers = [{ name: 'main', image: 'sample:v1' }];
  const template = { spec: { restartPolicy: 'Never', containers } };
  const make = async (name: string): Promise<void> => {
    const { status } = await send('POST', jobs, {
      metadata: { name },
      spec: { suspend: true, template },
    });
    assert.equal(status, 201);
  };
  await make('a');
  const kept = await send('DELETE', `${jobs}/a`);
  assert.deepEqual(at(kept.body, 'metadata.finalizers'), ['orphan']);
  assert.equal(
    kept.headers['warning'],
    '299 - "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning"',
  );
  await make('b');
  const gone = await send('DELETE', `${jobs}/b?propagationPolicy=Background`);
  assert.equal(at(gone.body, 'kind'), 'Status');
  assert.equal(gone.headers['warning'], undefined);
});
