import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '#base/fake-clock.ts';
import { silentLog } from '#base/log.ts';
import { seededRandom } from '#base/random.ts';
import { ConfigMap } from '#api/core-v1/config-map.ts';
import { ApiError } from '#api/meta/api-error.ts';
import type { Client, Selection } from '#client/client.ts';
import { Informer } from '#client/informer.ts';
import { startCluster, type Cluster } from '#test/support/cluster.ts';

/** The cluster's client with a watch that the test cuts, as a network would. */
function cuttable(client: Client) {
  let cut = new AbortController();
  let failure: Error | undefined;
  const lists: unknown[] = [];
  const wrapped: Pick<Client, 'list' | 'watch'> = {
    list(kind, selection) {
      lists.push(selection);
      return client.list(kind, selection);
    },
    async *watch(kind, selection, signal) {
      if (failure) throw failure;
      yield* client.watch(kind, selection, AbortSignal.any([signal, cut.signal]));
      // The test may have set it since.
      if (failure as Error | undefined) throw failure;
    },
  };
  return {
    client: wrapped,
    lists,
    cut(withError?: Error) {
      failure = withError;
      cut.abort();
      cut = new AbortController();
    },
    heal() {
      failure = undefined;
    },
  };
}

interface Bed extends AsyncDisposable {
  readonly cluster: Cluster;
  readonly informer: Informer<ConfigMap>;
  readonly network: ReturnType<typeof cuttable>;
  readonly clock: FakeClock;
  /** Every change, as `+name`, `~name`, `-name`. */
  readonly changes: string[];
  put(name: string, data?: string): Promise<ConfigMap>;
  remove(name: string): Promise<void>;
  /** Waits until the informer has told of `change`. */
  sees(change: string): Promise<void>;
}

async function startBed(selection?: Selection): Promise<Bed> {
  const cluster = await startCluster();
  const { client } = cluster;
  const network = cuttable(client);
  const clock = new FakeClock();
  const stop = new AbortController();
  const informer = new Informer(ConfigMap, {
    client: network.client,
    clock,
    random: seededRandom(1),
    log: silentLog,
    signal: stop.signal,
    ...(selection && { selection }),
  });
  await informer.synced();
  const changes: string[] = [];
  informer.onChange(({ previous, current }) => {
    const sign = previous && current ? '~' : current ? '+' : '-';
    changes.push(`${sign}${(current ?? previous)?.metadata.name}`);
  });
  return {
    cluster,
    informer,
    network,
    clock,
    changes,
    put(name, data = '') {
      const metadata = { name, namespace: 'default', labels: { data } };
      const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { data } };
      return client.apply(ConfigMap, object);
    },
    remove: (name) => client.delete(ConfigMap, { namespace: 'default', name }),
    async sees(change) {
      assert.ok(await informer.until(() => changes.includes(change), 1_000_000), change);
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await informer[Symbol.asyncDispose]();
      await cluster[Symbol.asyncDispose]();
    },
  };
}

/** Lets what waits for nothing but its turn run. */
const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

test('informer: has what there is, and tells of every change', async () => {
  await using bed = await startBed();
  await bed.put('a');
  await bed.put('a', 'changed');
  await bed.remove('a');
  await bed.put('b');
  await bed.sees('+b');
  assert.deepEqual(bed.changes, ['+a', '~a', '-a', '+b']);
  assert.deepEqual(
    bed.informer.list('default').map(({ metadata }) => metadata.name),
    ['b'],
  );
  assert.deepEqual(bed.informer.list('other'), []);
  const b = bed.informer.get({ namespace: 'default', name: 'b' });
  assert.ok(b && Object.isFrozen(b.data));
  assert.equal(bed.informer.resourceVersion, b.metadata.resourceVersion);
  const late: unknown[] = [];
  using _handler = bed.informer.onChange((change) => late.push(change));
  assert.deepEqual(late, [{ current: b }]);
});

test('informer: finds objects by their owner, in whatever namespace', async () => {
  await using bed = await startBed();
  const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'top', uid: 'top-uid' };
  const { client } = bed.cluster;
  const metadata = { name: 'a', namespace: 'default', ownerReferences: [owner] };
  await client.create(ConfigMap, { apiVersion: 'v1', kind: 'ConfigMap', metadata });
  await bed.sees('+a');
  assert.equal(bed.informer.ownedBy('top-uid').length, 1);
  const ref = { namespace: 'default', name: 'a' };
  await client.patch(ConfigMap, ref, { metadata: { ownerReferences: null } }, { type: 'merge' });
  await bed.sees('~a');
  assert.equal(bed.informer.ownedBy('top-uid').length, 0);
});

test('informer: resumes a watch that ended, without a list and without a gap', async () => {
  await using bed = await startBed();
  await bed.put('a');
  await bed.sees('+a');
  bed.network.cut();
  await turn();
  await bed.put('b');
  await bed.remove('a');
  bed.clock.advance(1_000);
  await bed.sees('-a');
  assert.deepEqual(bed.changes, ['+a', '+b', '-a']);
  assert.equal(bed.network.lists.length, 1);
});

test('informer: lists anew where the history does not reach, and tells what changed meanwhile', async () => {
  await using bed = await startBed();
  await bed.put('stays');
  await bed.put('changes');
  await bed.put('goes');
  const former = await bed.put('comes-back');
  await bed.sees('+comes-back');
  bed.network.cut(new ApiError('ServiceUnavailable', 'no network'));
  await turn();
  await bed.put('changes', 'x');
  await bed.remove('goes');
  await bed.remove('comes-back');
  const anew = await bed.put('comes-back');
  assert.notEqual(anew.metadata.uid, former.metadata.uid);
  await bed.put('is-new');
  await bed.cluster.store.compact(bed.cluster.store.revision);
  bed.changes.length = 0;
  bed.network.heal();
  for (let round = 0; round < 5; round += 1) {
    bed.clock.advance(10_000);
    await turn();
    await turn();
  }
  await bed.sees('+is-new');
  const expected = ['+comes-back', '+is-new', '-comes-back', '-goes', '~changes'];
  assert.deepEqual(bed.changes.toSorted(), expected);
  assert.equal(bed.network.lists.length, 2);
});

test('informer: lists anew where the server lost what it had shown', async () => {
  await using before = await startCluster();
  await using after = await startCluster();
  let server: Client = before.client;
  const cut = new AbortController();
  const clock = new FakeClock();
  await using informer = new Informer(ConfigMap, {
    client: {
      list: (kind, selection) => server.list(kind, selection),
      watch: (kind, selection, signal) =>
        server.watch(
          kind,
          selection,
          cut.signal.aborted ? signal : AbortSignal.any([signal, cut.signal]),
        ),
    },
    clock,
    random: seededRandom(1),
    log: silentLog,
    signal: new AbortController().signal,
  });
  for (const name of ['a', 'b', 'lost']) await before.client.create(ConfigMap, configMap(name));
  assert.ok(await informer.until(() => informer.list().length === 3, 1_000_000));
  await after.client.create(ConfigMap, configMap('a'));
  assert.ok(after.store.revision < before.store.revision);
  server = after.client;
  cut.abort();
  for (let round = 0; round < 5; round += 1) {
    clock.advance(10_000);
    await turn();
    await turn();
  }
  assert.deepEqual(
    informer.list().map(({ metadata }) => metadata.name),
    ['a'],
  );
});

function configMap(name: string): ConfigMap {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default' } };
}

test('informer: waits longer and longer for a server that is away', async () => {
  await using bed = await startBed();
  let attempts = 0;
  const watch = bed.network.client.watch.bind(bed.network.client);
  Object.assign(bed.network.client, {
    watch: (...args: Parameters<Client['watch']>) => {
      attempts += 1;
      return watch(...args);
    },
  });
  bed.network.cut(new ApiError('ServiceUnavailable', 'away'));
  for (let second = 0; second < 60; second += 1) {
    for (let step = 0; step < 20; step += 1) {
      bed.clock.advance(50);
      await turn();
    }
  }
  assert.ok(attempts > 8 && attempts < 25, `${attempts} attempts in a minute`);
  bed.network.heal();
  await bed.put('a');
  bed.clock.advance(10_000);
  await bed.sees('+a');
});

test('informer: a selection shows objects come and go as they begin and cease to match', async () => {
  await using bed = await startBed({ labelSelector: 'data=yes' });
  await bed.put('a', 'yes');
  await bed.put('b', 'no');
  await bed.put('a', 'no');
  await bed.put('b', 'yes');
  await bed.sees('+b');
  assert.deepEqual(bed.changes, ['+a', '-a', '+b']);
});

test('informer: a wait ends with its time, and with the informer', async () => {
  await using bed = await startBed();
  const waiting = bed.informer.until(() => false, 1_000);
  bed.clock.advance(1_000);
  assert.equal(await waiting, false);
  const ending = bed.informer.until(() => false, 1_000_000);
  await bed.informer[Symbol.asyncDispose]();
  assert.equal(await ending, false);
});
