import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '#base/fake-clock.ts';
import { silentLog } from '#base/log.ts';
import { seededRandom } from '#base/random.ts';
import { ConfigMap } from '#api/core-v1/config-map.ts';
import { Namespace } from '#api/core-v1/namespace.ts';
import { Node } from '#api/core-v1/node.ts';
import { createCachedClient } from '#client/cached-client.ts';
import type { Client } from '#client/client.ts';
import { Informers } from '#client/informers.ts';
import { startCluster, type Cluster } from '#test/support/cluster.ts';

interface Bed extends AsyncDisposable {
  readonly cluster: Cluster;
  readonly cached: Client;
  readonly clock: FakeClock;
  /** Reads that went to the server. */
  readonly reads: string[];
  /** Makes watches stand still, or go on. */
  hold(): void;
  release(): void;
}

async function startBed(): Promise<Bed> {
  const cluster = await startCluster();
  const clock = new FakeClock();
  const stop = new AbortController();
  const reads: string[] = [];
  let held = Promise.withResolvers<void>();
  held.resolve();
  const counted: Client = {
    ...cluster.client,
    get(kind, ref) {
      reads.push(`get ${kind.kind}`);
      return cluster.client.get(kind, ref);
    },
    list(kind, selection) {
      reads.push(`list ${kind.kind}`);
      return cluster.client.list(kind, selection);
    },
    async *watch(kind, selection, signal) {
      for await (const event of cluster.client.watch(kind, selection, signal)) {
        await held.promise;
        yield event;
      }
    },
  };
  const parts = { clock, random: seededRandom(1), log: silentLog, signal: stop.signal };
  const informers = new Informers({ client: counted, ...parts });
  informers.of(ConfigMap);
  informers.of(Namespace);
  await informers.synced();
  reads.length = 0;
  return {
    cluster,
    clock,
    reads,
    cached: createCachedClient(counted, informers),
    hold() {
      held = Promise.withResolvers();
    },
    release: () => held.resolve(),
    async [Symbol.asyncDispose]() {
      held.resolve();
      stop.abort();
      await informers[Symbol.asyncDispose]();
      await cluster[Symbol.asyncDispose]();
    },
  };
}

const ref = { namespace: 'default', name: 'a' };

function configMap(data: Record<string, string> = {}, metadata = {}): ConfigMap {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...ref, ...metadata }, data };
}

test('cached client: reads watched kinds from memory, others and field selections from the server', async () => {
  await using bed = await startBed();
  const { cached, reads } = bed;
  await cached.get(ConfigMap, ref);
  await cached.list(ConfigMap, { namespace: 'default', labelSelector: 'a=b' });
  assert.deepEqual(reads, []);
  await cached.get(Node, { name: 'n' });
  await cached.list(ConfigMap, { fieldSelector: 'metadata.name=a' });
  assert.deepEqual(reads, ['get Node', 'list ConfigMap']);
});

test('cached client: sees every kind of its own writes at once', async () => {
  await using bed = await startBed();
  const { cached, reads } = bed;
  const data = async (): Promise<unknown> => (await cached.get(ConfigMap, ref))?.data;
  const made = await cached.create(ConfigMap, configMap({ a: '1' }));
  assert.deepEqual(await data(), { a: '1' });
  await cached.update(ConfigMap, { ...made, data: { a: '2' } });
  assert.deepEqual(await data(), { a: '2' });
  await cached.patch(ConfigMap, ref, { data: { b: '3' } }, { type: 'merge' });
  assert.deepEqual(await data(), { a: '2', b: '3' });
  await cached.apply(ConfigMap, configMap({ c: '4' }));
  assert.deepEqual(await data(), { a: '2', b: '3', c: '4' });
  await cached.delete(ConfigMap, ref);
  assert.equal(await cached.get(ConfigMap, ref), undefined);
  assert.equal((await cached.list(ConfigMap, { namespace: 'default' })).items.length, 0);
  assert.deepEqual(reads, []);
});

test('cached client: a delete that waits for finalizers, and the write that ends it, are seen', async () => {
  await using bed = await startBed();
  const { cached, reads } = bed;
  await cached.create(ConfigMap, configMap({}, { finalizers: ['example.com/hold'] }));
  await cached.delete(ConfigMap, ref);
  const going = await cached.get(ConfigMap, ref);
  assert.ok(going?.metadata.deletionTimestamp);
  await cached.update(ConfigMap, { ...going, metadata: { ...going.metadata, finalizers: [] } });
  assert.equal(await cached.get(ConfigMap, ref), undefined);
  assert.deepEqual(reads, []);
});

test('cached client: a write about an object that goes, but not yet, is seen', async () => {
  await using bed = await startBed();
  const { cached, reads } = bed;
  const metadata = { name: 'team' };
  await cached.create(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata });
  await cached.delete(Namespace, metadata);
  const going = await cached.get(Namespace, metadata);
  assert.ok(going?.metadata.deletionTimestamp);
  await cached.updateStatus(Namespace, { ...going, status: { phase: 'Terminating' } });
  assert.equal((await cached.get(Namespace, metadata))?.status?.phase, 'Terminating');
  assert.deepEqual(reads, []);
});

test('cached client: asks the server where memory does not catch up in time', async () => {
  await using bed = await startBed();
  const { cached, reads, clock } = bed;
  bed.hold();
  await cached.create(ConfigMap, configMap({ a: '1' }));
  const reading = cached.get(ConfigMap, ref);
  await new Promise(setImmediate);
  assert.deepEqual(reads, []);
  clock.advance(5_000);
  assert.deepEqual((await reading)?.data, { a: '1' });
  assert.deepEqual(reads, ['get ConfigMap']);
  bed.release();
  assert.deepEqual((await cached.get(ConfigMap, ref))?.data, { a: '1' });
  assert.deepEqual(reads, ['get ConfigMap']);
});

test('cached client: apply over a memory that is behind still ends right', async () => {
  await using bed = await startBed();
  const { cached, cluster } = bed;
  await cached.create(ConfigMap, configMap({ a: '1' }));
  assert.ok(await cached.get(ConfigMap, ref));
  bed.hold();
  await cluster.client.patch(ConfigMap, ref, { data: { b: '2' } }, { type: 'merge' });
  const applied = await cached.apply(ConfigMap, configMap({ c: '3' }));
  assert.deepEqual(applied.data, { a: '1', b: '2', c: '3' });
  await cluster.client.delete(ConfigMap, ref);
  bed.release();
  assert.equal((await cached.apply(ConfigMap, configMap({ d: '4' }))).data?.['d'], '4');
});

test('cached client: lists what an owner owns', async () => {
  await using bed = await startBed();
  const { cached } = bed;
  const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'top', uid: 'top-uid' };
  await cached.create(ConfigMap, configMap({}, { ownerReferences: [owner] }));
  await cached.create(ConfigMap, configMap({}, { name: 'other' }));
  for (const client of [cached, bed.cluster.client]) {
    const { items } = await client.list(ConfigMap, { namespace: 'default', ownedBy: 'top-uid' });
    assert.deepEqual(
      items.map(({ metadata }) => metadata.name),
      ['a'],
    );
  }
});

test('cached client: a dry run leaves memory as it is', async () => {
  await using bed = await startBed();
  await bed.cached.create(ConfigMap, configMap(), { dryRun: true });
  assert.equal(await bed.cached.get(ConfigMap, ref), undefined);
});
