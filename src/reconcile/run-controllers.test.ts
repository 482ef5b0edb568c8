import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigMap } from '#api/core-v1/config-map.ts';
import { Event } from '#api/core-v1/event.ts';
import { Namespace } from '#api/core-v1/namespace.ts';
import { Node } from '#api/core-v1/node.ts';
import { Secret } from '#api/core-v1/secret.ts';
import { ApiError } from '#api/meta/api-error.ts';
import { controllerReference } from '#api/meta/object-meta.ts';
import { defineController, keyOf, on, TerminalError, type Key } from '#reconcile/controller.ts';
import { recordEvent } from '#reconcile/record-event.ts';
import { startCluster, type Cluster } from '#test/support/cluster.ts';

function node(name: string): Node {
  return { apiVersion: 'v1', kind: 'Node', metadata: { name }, spec: {} };
}

function configMap(name: string, data: Record<string, string> = {}): ConfigMap {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default' }, data };
}

/** A controller that keeps each ConfigMap's data in a Secret of the same name. */
const copier = defineController<ConfigMap>({
  kind: ConfigMap,
  owns: [Secret],
  async reconcile(source, { client }) {
    const { name = '', namespace = '' } = source.metadata;
    await client.apply(Secret, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name, namespace, ownerReferences: [controllerReference(source)] },
      data: source.data ?? {},
    });
    return {};
  },
});

async function secretData({ client }: Cluster, name: string) {
  return (await client.get(Secret, { namespace: 'default', name }))?.data;
}

test('controllers: each object once at start, then after each change of it or of what it owns', async () => {
  await using cluster = await startCluster({ controllers: [copier] });
  const { client } = cluster;
  await client.create(ConfigMap, configMap('a', { x: 'MQ==' }));
  await cluster.settled();
  assert.deepEqual(await secretData(cluster, 'a'), { x: 'MQ==' });
  const ref = { namespace: 'default', name: 'a' };
  await client.patch(ConfigMap, ref, { data: { x: 'Mg==' } }, { type: 'merge' });
  await cluster.settled();
  assert.deepEqual(await secretData(cluster, 'a'), { x: 'Mg==' });
  await client.delete(Secret, ref);
  await cluster.settled();
  assert.deepEqual(await secretData(cluster, 'a'), { x: 'Mg==' });
  await cluster.steady();
});

test('controllers: steady() finds a reconcile that writes each time', async () => {
  let count = 0;
  const restless = defineController<ConfigMap>({
    kind: ConfigMap,
    async reconcile({ metadata: { name = '', namespace = '' } }, { client }) {
      count += 1;
      if (count > 50) return {};
      const patch = { data: { count: String(count) } };
      await client.patch(ConfigMap, { name, namespace }, patch, { type: 'merge' });
      return {};
    },
  });
  await using cluster = await startCluster({ controllers: [restless] });
  await cluster.client.create(ConfigMap, configMap('a'));
  await cluster.settled();
  count = 40;
  await assert.rejects(cluster.steady(), /reconciling again wrote\nput .*configmaps/);
});

test('controllers: a status is written where it differs, for the newest version', async () => {
  let phase = 'Pending';
  const controller = defineController<Node>({
    kind: Node,
    async reconcile({ metadata: { name = '', annotations }, status }, { client }) {
      const patch = { metadata: { annotations: { seen: phase } } };
      if (annotations?.['seen'] !== phase)
        await client.patch(Node, { name }, patch, { type: 'merge' });
      return { status: { ...status, phase, addresses: [] } };
    },
  });
  await using cluster = await startCluster({ controllers: [controller] });
  await cluster.client.create(Node, node('n'));
  await cluster.settled();
  assert.equal((await cluster.client.get(Node, { name: 'n' }))?.status?.phase, 'Pending');
  assert.deepEqual(cluster.running.retries(), []);
  await cluster.steady();
  phase = 'Running';
  cluster.running.enqueueAll();
  await cluster.settled();
  assert.equal((await cluster.client.get(Node, { name: 'n' }))?.status?.phase, 'Running');
  await cluster.steady();
});

test('controllers: a failure is tried again, its status published; one for ever is not', async () => {
  const runs: string[] = [];
  const controller = defineController<Node>({
    kind: Node,
    async reconcile({ metadata: { name = '' } }) {
      runs.push(name);
      if (name === 'hopeless') throw new TerminalError('never');
      if (name === 'buggy' && runs.filter((run) => run === name).length < 3) {
        throw new TypeError('a bug');
      }
      if (name === 'late') {
        return { status: { phase: 'Terminated' }, failure: new ApiError('Forbidden', 'not yet') };
      }
      return {};
    },
  });
  await using cluster = await startCluster({ controllers: [controller] });
  const { client } = cluster;
  for (const name of ['hopeless', 'buggy', 'late']) await client.create(Node, node(name));
  await cluster.settled();
  assert.equal(runs.filter((run) => run === 'hopeless').length, 1);
  assert.equal(runs.filter((run) => run === 'buggy').length, 3);
  assert.equal((await client.get(Node, { name: 'late' }))?.status?.phase, 'Terminated');
  assert.deepEqual(
    cluster.running.retries().map(({ id }) => id),
    ['/late'],
  );
});

test('controllers: a finalizer is put on first, and taken off when the work is done', async () => {
  const name = 'example.com/release';
  let isReleased = false;
  const seen: (readonly string[] | undefined)[] = [];
  const forgotten: Key[] = [];
  const controller = defineController<ConfigMap>({
    kind: ConfigMap,
    finalizer: { name, finalize: () => Promise.resolve(isReleased) },
    async reconcile({ metadata }) {
      seen.push(metadata.finalizers);
      return {};
    },
    forget: (key) => forgotten.push(key),
  });
  await using cluster = await startCluster({ controllers: [controller] });
  const { client } = cluster;
  const ref = { namespace: 'default', name: 'a' };
  await client.create(ConfigMap, {
    ...configMap('a'),
    metadata: { ...ref, finalizers: ['other/x'] },
  });
  await cluster.settled();
  assert.deepEqual(seen[0], ['other/x', name]);
  await cluster.steady();
  await client.delete(ConfigMap, ref);
  await cluster.settled();
  assert.deepEqual((await client.get(ConfigMap, ref))?.metadata.finalizers, ['other/x', name]);
  isReleased = true;
  await cluster.advance(1_000);
  assert.deepEqual((await client.get(ConfigMap, ref))?.metadata.finalizers, ['other/x']);
  assert.deepEqual(forgotten, []);
  await client.patch(ConfigMap, ref, { metadata: { finalizers: null } }, { type: 'merge' });
  await cluster.settled();
  assert.deepEqual(forgotten, [ref]);
  await cluster.steady();
});

test('controllers: what is being deleted is left alone, unless it is asked for', async () => {
  for (const reconcilesDeleting of [false, true]) {
    let runs = 0;
    const controller = defineController<ConfigMap>({
      kind: ConfigMap,
      reconcilesDeleting,
      async reconcile({ metadata }) {
        if (metadata.deletionTimestamp) runs += 1;
        return {};
      },
    });
    await using cluster = await startCluster({ controllers: [controller] });
    const ref = { namespace: 'default', name: 'a' };
    const held = { ...configMap('a'), metadata: { ...ref, finalizers: ['other/x'] } };
    await cluster.client.create(ConfigMap, held);
    await cluster.client.delete(ConfigMap, ref);
    await cluster.settled();
    assert.equal(runs > 0, reconcilesDeleting);
  }
});

test('controllers: watches and triggers name the objects to look at, and time brings them back', async () => {
  const runs: string[] = [];
  let trigger: (key: Key) => void = () => assert.fail('the trigger was not started');
  const controller = defineController<ConfigMap>({
    kind: ConfigMap,
    watches: [
      on(Namespace, ({ metadata }, known) => known.list(ConfigMap, metadata.name).map(keyOf)),
    ],
    triggers: [(enqueue) => (trigger = enqueue)],
    async reconcile({ metadata: { name = '' } }) {
      runs.push(name);
      return name === 'timed' ? { againAfterMs: 60_000 } : {};
    },
  });
  await using cluster = await startCluster({ controllers: [controller] });
  const { client } = cluster;
  await client.create(ConfigMap, configMap('a'));
  await client.create(ConfigMap, configMap('timed'));
  await cluster.settled();
  runs.length = 0;
  trigger({ namespace: 'default', name: 'a' });
  await cluster.settled();
  assert.deepEqual(runs.splice(0), ['a']);
  const labels = { metadata: { labels: { b: 'c' } } };
  await client.patch(Namespace, { name: 'default' }, labels, { type: 'merge' });
  await cluster.settled();
  assert.deepEqual(runs.splice(0).toSorted(), ['a', 'timed']);
  await cluster.advance(60_000);
  assert.deepEqual(runs, ['timed']);
});

test('events: the same text about the same object is counted, another is another event', async () => {
  await using cluster = await startCluster();
  const { client, clock } = cluster;
  const context = { ...cluster.running, clock, log: cluster.log };
  const about = await client.create(ConfigMap, configMap('a'));
  const text = {
    type: 'Normal',
    reason: 'Tried',
    message: 'It was tried',
    component: 'test',
  } as const;
  await recordEvent(context, about, text);
  await recordEvent(context, about, text);
  await recordEvent(context, about, { ...text, message: 'It was tried elsewhere' });
  const { items } = await client.list(Event, { fieldSelector: 'involvedObject.name=a' });
  assert.deepEqual(items.map(({ message, count }) => `${message}: ${count}`).toSorted(), [
    'It was tried elsewhere: 1',
    'It was tried: 2',
  ]);
  await recordEvent(context, { ...about, metadata: { name: 'b', namespace: 'nowhere' } }, text);
});
