import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '#base/fake-clock.ts';
import { silentLog } from '#base/log.ts';
import { seededRandom } from '#base/random.ts';
import { defaultSettings } from '#api/serving-config/config-maps.ts';
import { Lease } from '#api/coordination-v1/lease.ts';
import type { Client } from '#client/client.ts';
import { becomeLeader, type ElectionOptions, type Leadership } from '#reconcile/leader-election.ts';
import { startCluster, type Cluster } from '#test/support/cluster.ts';

const LEASE = { namespace: 'default', name: 'controllers' };

interface Asking extends Partial<Pick<ElectionOptions, 'times'>> {
  readonly clock?: FakeClock;
  readonly client?: Client;
  readonly signal?: AbortSignal;
}

function ask({ client }: Cluster, identity: string, asking: Asking = {}): Promise<Leadership> {
  return becomeLeader({
    client,
    lease: LEASE,
    identity,
    times: () => defaultSettings['leader-election'],
    clock: new FakeClock(),
    random: seededRandom(1),
    log: silentLog,
    signal: new AbortController().signal,
    ...asking,
  });
}

/** Moves a clock second by second, so that what waits for it has its turns, until the promise settles. */
async function within<T>(clock: FakeClock, seconds: number, promise: Promise<T>): Promise<T> {
  let isSettled = false;
  const settled = promise.finally(() => (isSettled = true));
  settled.catch(() => undefined);
  for (let second = 0; second < seconds && !isSettled; second += 1) {
    await turns();
    clock.advance(1_000);
  }
  await turns();
  assert.ok(isSettled, `not within ${seconds} s`);
  return await promise;
}

/** Enough of them for a request to a server in this process, and its answer. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate);
}

const holder = async ({ client }: Cluster): Promise<Lease['spec']> =>
  (await client.get(Lease, LEASE))?.spec;

test('leader: the first leads, and keeps its lease', async () => {
  await using cluster = await startCluster();
  const clock = new FakeClock();
  await using leadership = await ask(cluster, 'a', { clock });
  const first = await holder(cluster);
  assert.equal(first?.holderIdentity, 'a');
  assert.equal(first.leaseDurationSeconds, 15);
  assert.equal(first.leaseTransitions, 0);
  for (let second = 0; second < 60; second += 1) {
    clock.advance(1_000);
    await turns();
  }
  const later = await holder(cluster);
  assert.equal(later?.acquireTime, first.acquireTime);
  assert.equal(later?.renewTime, '2026-01-01T00:01:00.000000Z');
  assert.equal(leadership.lost.aborted, false);
});

test('leader: who steps down is followed at once', async () => {
  await using cluster = await startCluster();
  const first = await ask(cluster, 'a');
  const clock = new FakeClock();
  const waiting = ask(cluster, 'b', { clock });
  await turns();
  assert.equal((await holder(cluster))?.holderIdentity, 'a');
  await first[Symbol.asyncDispose]();
  await using _second = await within(clock, 3, waiting);
  const spec = await holder(cluster);
  assert.deepEqual([spec?.holderIdentity, spec?.leaseTransitions], ['b', 1]);
});

test('leader: who was killed is followed when its lease is over, by the clock of who waits', async () => {
  await using cluster = await startCluster();
  await ask(cluster, 'a', { clock: new FakeClock('2030-01-01T00:00:00Z') }); // Its clock stands still from here.
  const clock = new FakeClock();
  const waiting = ask(cluster, 'b', { clock });
  const early = new AbortController();
  await assert.rejects(
    within(
      clock,
      14,
      waiting.finally(() => early.abort()),
    ),
    /not within 14 s/,
  );
  assert.equal((await holder(cluster))?.holderIdentity, 'a');
  await using _second = await within(clock, 5, waiting);
  assert.equal((await holder(cluster))?.holderIdentity, 'b');
});

test('leader: who cannot renew loses, before another may lead', async () => {
  await using cluster = await startCluster();
  const clock = new FakeClock();
  let isCut = false;
  const client: Client = {
    ...cluster.client,
    get: async (kind, ref) => {
      if (isCut) throw new Error('no answer');
      return await cluster.client.get(kind, ref);
    },
  };
  await using leadership = await ask(cluster, 'a', { clock, client });
  isCut = true;
  const lost = Promise.withResolvers<void>();
  leadership.lost.addEventListener('abort', () => lost.resolve());
  await within(clock, 13, lost.promise);
  isCut = false;
});

test('leader: of many that ask at once one leads', async () => {
  await using cluster = await startCluster();
  const stop = new AbortController();
  const leaders: string[] = [];
  const asking = Array.from({ length: 10 }, async (_, at) => {
    await ask(cluster, `c${at}`, { signal: stop.signal });
    leaders.push(`c${at}`);
  });
  await turns();
  assert.equal(leaders.length, 1);
  assert.equal((await holder(cluster))?.holderIdentity, leaders[0]);
  stop.abort();
  await Promise.allSettled(asking);
});

test('leader: the times are those that are configured', async () => {
  await using cluster = await startCluster();
  const clock = new FakeClock();
  const times = () => ({ leaseDurationMs: 4_000, renewDeadlineMs: 3_000, retryPeriodMs: 1_000 });
  await using _first = await ask(cluster, 'a', { times });
  assert.equal((await holder(cluster))?.leaseDurationSeconds, 4);
  // The first one's clock stands still: for the second it is gone.
  await using _second = await within(clock, 10, ask(cluster, 'b', { clock, times }));
  assert.equal((await holder(cluster))?.holderIdentity, 'b');
});
