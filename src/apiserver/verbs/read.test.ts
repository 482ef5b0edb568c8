import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Revision } from '#store/store.ts';
import { at, nextOf, pod, startWire, type Wire } from '#test/support/wire.ts';

const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';
const PODS = '/api/v1/namespaces/default/pods';

async function make(
  wire: Wire,
  name: string,
  labels: Record<string, string> = {},
): Promise<string> {
  const { body } = await wire.send('POST', CONFIG_MAPS, { metadata: { name, labels } });
  return String(at(body, 'metadata.resourceVersion'));
}

function namesOf(body: unknown): string[] {
  const items = at(body, 'items') as { metadata: { name: string } }[];
  return items.map(({ metadata }) => metadata.name);
}

test('list: all, by namespace, by label and by field', async () => {
  await using wire = await startWire();
  await wire.send('POST', '/api/v1/namespaces', { metadata: { name: 'other' } });
  await make(wire, 'b', { app: 'x' });
  await make(wire, 'a', { app: 'y' });
  await wire.send('POST', '/api/v1/namespaces/other/configmaps', { metadata: { name: 'c' } });
  const all = await wire.send('GET', '/api/v1/configmaps');
  assert.equal(at(all.body, 'kind'), 'ConfigMapList');
  assert.equal(at(all.body, 'apiVersion'), 'v1');
  assert.equal(at(all.body, 'metadata.resourceVersion'), String(wire.store.revision));
  assert.deepEqual(namesOf(all.body), ['a', 'b', 'c']);
  assert.deepEqual(namesOf((await wire.send('GET', CONFIG_MAPS)).body), ['a', 'b']);
  const labelled = await wire.send('GET', `${CONFIG_MAPS}?labelSelector=app%20in%20(x,z)`);
  assert.deepEqual(namesOf(labelled.body), ['b']);
  const named = await wire.send('GET', '/api/v1/configmaps?fieldSelector=metadata.namespace=other');
  assert.deepEqual(namesOf(named.body), ['c']);
  assert.equal((await wire.send('GET', `${CONFIG_MAPS}?fieldSelector=data.x=1`)).status, 400);
  assert.equal((await wire.send('GET', `${CONFIG_MAPS}?labelSelector=a%20b`)).status, 400);
});

test('list: pages go on where the last one ended, with the version of the first', async () => {
  await using wire = await startWire();
  for (const name of ['a', 'b', 'c', 'd', 'e'])
    await make(wire, name, { odd: String('ace'.includes(name)) });
  const pagesOf = async (query: string): Promise<{ names: string[][]; versions: Set<unknown> }> => {
    const names: string[][] = [];
    const versions = new Set<unknown>();
    let token = '';
    do {
      const { body } = await wire.send('GET', `${CONFIG_MAPS}?${query}&continue=${token}`);
      names.push(namesOf(body));
      versions.add(at(body, 'metadata.resourceVersion'));
      const next = at(body, 'metadata.continue');
      token = typeof next === 'string' ? next : '';
      if (names.length === 1) await make(wire, `z${wire.store.revision}`, { odd: 'false' });
    } while (token !== '');
    return { names, versions };
  };
  const { body } = await wire.send('GET', `${CONFIG_MAPS}?limit=2`);
  assert.equal(at(body, 'metadata.remainingItemCount'), 3);
  const plain = await pagesOf('limit=2');
  assert.deepEqual(plain.names.slice(0, 2), [
    ['a', 'b'],
    ['c', 'd'],
  ]);
  assert.equal(plain.versions.size, 1);
  const selected = await pagesOf('limit=2&labelSelector=odd=true');
  assert.deepEqual(selected.names.flat(), ['a', 'c', 'e']);
  assert.equal((await wire.send('GET', `${CONFIG_MAPS}?limit=2&continue=nonsense`)).status, 400);
});

test('list: only the present can be had, and the future is waited for by nobody', async () => {
  await using wire = await startWire();
  const version = await make(wire, 'a');
  await make(wire, 'b');
  const any = await wire.send('GET', `${CONFIG_MAPS}?resourceVersion=0`);
  assert.deepEqual(namesOf(any.body), ['a', 'b']);
  const exact = `${CONFIG_MAPS}?resourceVersion=${version}&resourceVersionMatch=Exact`;
  assert.equal((await wire.send('GET', exact)).status, 410);
  const future = await wire.send('GET', `${CONFIG_MAPS}?resourceVersion=999`);
  assert.equal(future.status, 504);
  assert.equal(at(future.body, 'details.causes.0.reason'), 'ResourceVersionTooLarge');
});

test('representations: metadata alone, and 406 for what nobody speaks', async () => {
  await using wire = await startWire();
  await make(wire, 'a', { app: 'x' });
  const headers = { accept: 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1' };
  const { body } = await wire.send('GET', CONFIG_MAPS, undefined, { headers });
  assert.equal(at(body, 'kind'), 'PartialObjectMetadataList');
  assert.equal(at(body, 'items.0.metadata.labels.app'), 'x');
  const protobuf = 'application/vnd.kubernetes.protobuf';
  const both = { accept: `${protobuf}, application/json` };
  assert.equal((await wire.send('GET', CONFIG_MAPS, undefined, { headers: both })).status, 200);
  const only = { accept: protobuf };
  assert.equal((await wire.send('GET', CONFIG_MAPS, undefined, { headers: only })).status, 406);
});

test('watch: from a version, every change after it', async () => {
  await using wire = await startWire();
  const version = await make(wire, 'a');
  await make(wire, 'b');
  const events = wire.watch(`${CONFIG_MAPS}?watch=1&resourceVersion=${version}`);
  const first = await nextOf(events);
  assert.equal(first.type, 'ADDED');
  assert.equal(at(first.object, 'metadata.name'), 'b');
  await wire.send('PUT', `${CONFIG_MAPS}/a`, { metadata: { name: 'a' }, data: { x: 'y' } });
  const second = await nextOf(events);
  assert.equal(second.type, 'MODIFIED');
  assert.deepEqual(second.object, (await wire.send('GET', `${CONFIG_MAPS}/a`)).body);
  await wire.send('DELETE', `${CONFIG_MAPS}/b`);
  const third = await nextOf(events);
  assert.equal(third.type, 'DELETED');
  assert.equal(at(third.object, 'metadata.resourceVersion'), String(wire.store.revision));
  await events.return();
});

test('watch: without a version, what is there comes first', async () => {
  await using wire = await startWire();
  await make(wire, 'a');
  const events = wire.watch(`${CONFIG_MAPS}?watch=true`);
  assert.equal(at((await nextOf(events)).object, 'metadata.name'), 'a');
  await make(wire, 'b');
  assert.equal(at((await nextOf(events)).object, 'metadata.name'), 'b');
  await events.return();
});

test('watch: what begins or ceases to be selected comes and goes', async () => {
  await using wire = await startWire();
  const version = await make(wire, 'a', { app: 'x' });
  const events = wire.watch(
    `${CONFIG_MAPS}?watch=1&resourceVersion=${version}&labelSelector=app=y`,
  );
  const relabel = (app: string): Promise<unknown> =>
    wire.send('PUT', `${CONFIG_MAPS}/a`, { metadata: { name: 'a', labels: { app } } });
  await relabel('y');
  assert.equal((await nextOf(events)).type, 'ADDED');
  await relabel('z');
  const gone = await nextOf(events);
  assert.equal(gone.type, 'DELETED');
  assert.equal(at(gone.object, 'metadata.labels.app'), 'y');
  assert.equal(at(gone.object, 'metadata.resourceVersion'), String(wire.store.revision));
  await events.return();
});

test('watch: pods of one node', async () => {
  await using wire = await startWire();
  await wire.send('POST', PODS, pod('a'));
  const events = wire.watch(`/api/v1/pods?watch=1&fieldSelector=spec.nodeName=node-1`);
  const next = nextOf(events);
  await wire.send('POST', `${PODS}/a/binding`, {
    metadata: { name: 'a' },
    target: { name: 'node-1' },
  });
  assert.equal((await next).type, 'ADDED');
  await events.return();
});

test('watch: a version that is forgotten is told as Expired', async () => {
  await using wire = await startWire();
  const version = await make(wire, 'a');
  const newest = await make(wire, 'b');
  await wire.store.compact(Number(newest) as Revision);
  const events = wire.watch(`${CONFIG_MAPS}?watch=1&resourceVersion=${version}`);
  const event = await nextOf(events);
  assert.equal(event.type, 'ERROR');
  assert.equal(at(event.object, 'reason'), 'Expired');
  assert.equal(at(event.object, 'code'), 410);
  assert.equal((await events.next()).done, true);
});

test('watch: bookmarks carry the newest version, also where nothing changed', async () => {
  await using wire = await startWire();
  const query =
    'watch=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan';
  await make(wire, 'a');
  const events = wire.watch(`${CONFIG_MAPS}?${query}`);
  assert.equal((await nextOf(events)).type, 'ADDED');
  const end = await nextOf(events);
  assert.equal(end.type, 'BOOKMARK');
  assert.deepEqual(at(end.object, 'metadata.annotations'), { 'k8s.io/initial-events-end': 'true' });
  await wire.send('POST', PODS, pod('a'));
  const later = nextOf(events);
  wire.clock.advance(60_000);
  const bookmark = await later;
  assert.equal(bookmark.type, 'BOOKMARK');
  assert.equal(at(bookmark.object, 'metadata.resourceVersion'), String(wire.store.revision));
  await events.return();
  assert.equal(
    (await wire.send('GET', `${CONFIG_MAPS}?watch=1&sendInitialEvents=true`)).status,
    422,
  );
});

test('watch: ends after timeoutSeconds', async () => {
  await using wire = await startWire();
  const events = wire.watch(`${CONFIG_MAPS}?watch=1&timeoutSeconds=5`);
  const ended = events.next();
  await make(wire, 'a');
  assert.equal((await ended).done, false);
  const end = events.next();
  wire.clock.advance(5_000);
  assert.equal((await end).done, true);
});
