import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterUnderTest } from '#test/support/cluster-under-test.ts';
import { define } from '#test/support/custom-kind.ts';
import { at, nextOf } from '#test/support/wire.ts';

const MERGE = { headers: { 'content-type': 'application/merge-patch+json' } };

/** A namespace's Leases, which no controller touches. */
async function withLeases() {
  const cluster = await clusterUnderTest();
  const leases = `/apis/coordination.k8s.io/v1/namespaces/${await cluster.namespace()}/leases`;
  return {
    ...cluster,
    leases,
    make: async (name: string, labels: object = {}): Promise<string> => {
      const { status, body } = await cluster.send('POST', leases, { metadata: { name, labels } });
      assert.equal(status, 201, JSON.stringify(body));
      return String(at(body, 'metadata.resourceVersion'));
    },
    label: async (name: string, labels: object): Promise<void> => {
      const patch = { metadata: { labels } };
      assert.equal((await cluster.send('PATCH', `${leases}/${name}`, patch, MERGE)).status, 200);
    },
  };
}

async function said(events: AsyncGenerator<{ type: string; object: unknown }>): Promise<string> {
  const { type, object } = await nextOf(events);
  return `${type} ${String(at(object, 'metadata.name'))}`;
}

test('watch: from nothing, what is there; then what changes', async () => {
  const { leases, make, label, send, watch } = await withLeases();
  await make('a');
  const events = watch(`${leases}?watch=1`);
  assert.equal(await said(events), 'ADDED a');
  await make('b');
  assert.equal(await said(events), 'ADDED b');
  await label('b', { x: '1' });
  assert.equal(await said(events), 'MODIFIED b');
  const before = await send('GET', `${leases}/b`);
  await send('DELETE', `${leases}/b`);
  const { type, object } = await nextOf(events);
  assert.equal(type, 'DELETED');
  // The last state, at the version of the deletion.
  assert.equal(at(object, 'metadata.labels.x'), '1');
  assert.notEqual(
    at(object, 'metadata.resourceVersion'),
    at(before.body, 'metadata.resourceVersion'),
  );
  await events.return();
});

test('watch: from a version, what came after it', async () => {
  const { leases, make, watch } = await withLeases();
  const version = await make('a');
  await make('b');
  const events = watch(`${leases}?watch=true&resourceVersion=${version}`);
  assert.equal(await said(events), 'ADDED b');
  await events.return();
});

test('watch: what begins to be selected is added, what ends to be is deleted', async () => {
  const { leases, make, label, watch } = await withLeases();
  const version = await make('a');
  const selected = `${leases}?watch=1&resourceVersion=${version}`;
  const events = watch(`${selected}&labelSelector=tier%3Dgold`);
  const named = watch(`${selected}&fieldSelector=metadata.name%3Db`);
  await label('a', { tier: 'gold' });
  assert.equal(await said(events), 'ADDED a');
  await label('a', { more: '1' });
  assert.equal(await said(events), 'MODIFIED a');
  await label('a', { tier: 'tin' });
  const { type, object } = await nextOf(events);
  assert.equal(type, 'DELETED');
  assert.equal(at(object, 'metadata.labels.tier'), 'gold');
  await make('b');
  assert.equal(await said(named), 'ADDED b');
  await events.return();
  await named.return();
});

test('watch: a list by watch ends with a bookmark that says so', async () => {
  const { leases, make, watch } = await withLeases();
  await make('a');
  await make('b');
  const events = watch(
    `${leases}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true`,
  );
  assert.deepEqual([await said(events), await said(events)].toSorted(), ['ADDED a', 'ADDED b']);
  const { type, object } = await nextOf(events);
  assert.equal(type, 'BOOKMARK');
  assert.equal(at(object, 'kind'), 'Lease');
  const { annotations } = at(object, 'metadata') as { annotations: object };
  assert.deepEqual(annotations, { 'k8s.io/initial-events-end': 'true' });
  await make('c');
  assert.equal(await said(events), 'ADDED c');
  await events.return();
});

test('watch: ends by itself at its time', async () => {
  const { leases, make, watch } = await withLeases();
  await make('a');
  const types: string[] = [];
  for await (const { type } of watch(`${leases}?watch=1&timeoutSeconds=1`)) types.push(type);
  assert.deepEqual(types, ['ADDED']);
});

test('watch: from before the history, an error in the stream', async () => {
  const cluster = await clusterUnderTest();
  // A kind made just now: a real server remembers what happened to the others since it was started.
  const { target } = await define(cluster, { type: 'object' });
  const { body } = await cluster.send('GET', target);
  await cluster.compact(String(at(body, 'metadata.resourceVersion')));
  const events = cluster.watch(`${target}?watch=1&resourceVersion=1`);
  const { type, object } = await nextOf(events);
  assert.equal(type, 'ERROR');
  assert.equal(at(object, 'kind'), 'Status');
  assert.equal(at(object, 'code'), 410);
  assert.equal(at(object, 'reason'), 'Expired');
  assert.match(String(at(object, 'message')), /^too old resource version: 1 \(\d+\)$/);
  await events.return();
});

test('watch: as Tables, with the columns once', async () => {
  const { leases, make, watch } = await withLeases();
  await make('a');
  const accept = 'application/json;as=Table;g=meta.k8s.io;v=v1';
  const events = watch(`${leases}?watch=1`, { headers: { accept } });
  const first = await nextOf(events);
  assert.equal(at(first.object, 'kind'), 'Table');
  assert.equal(at(first.object, 'rows.0.cells.0'), 'a');
  assert.equal((at(first.object, 'columnDefinitions') as object[]).length, 3);
  await make('b');
  const second = await nextOf(events);
  assert.equal(at(second.object, 'rows.0.cells.0'), 'b');
  assert.equal(at(second.object, 'columnDefinitions'), null);
  await events.return();
});

test('watch: metadata alone', async () => {
  const { leases, make, watch } = await withLeases();
  await make('a');
  const accept = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';
  const events = watch(`${leases}?watch=1`, { headers: { accept } });
  const { object } = await nextOf(events);
  assert.equal(at(object, 'kind'), 'PartialObjectMetadata');
  assert.equal(at(object, 'metadata.name'), 'a');
  await events.return();
});

test('watch: by the older path, of a collection and of one object', async () => {
  const { leases, make, watch, send } = await withLeases();
  await make('a', { x: '1' });
  await make('b');
  const older = leases.replace('/v1/', '/v1/watch/');
  const labelled = watch(`${older}?labelSelector=x`);
  assert.equal(await said(labelled), 'ADDED a');
  await labelled.return();
  const one = watch(`${older}/b`);
  assert.equal(await said(one), 'ADDED b');
  await send('DELETE', `${leases}/a`);
  await send('DELETE', `${leases}/b`);
  assert.equal(await said(one), 'DELETED b');
  await one.return();
  assert.equal((await send('POST', older, {})).status, 405);
});

test('watch: one object is asked for by a selector; at its own path it is read', async () => {
  const { leases, make, send } = await withLeases();
  await make('a');
  const { status, body } = await send('GET', `${leases}/a?watch=1`);
  assert.equal(status, 200);
  assert.equal(at(body, 'kind'), 'Lease');
});
