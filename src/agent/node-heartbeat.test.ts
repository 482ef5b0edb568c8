import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '#base/fake-clock.ts';
import { silentLog } from '#base/log.ts';
import { seededRandom } from '#base/random.ts';
import { Lease } from '#api/coordination-v1/lease.ts';
import { Node } from '#api/core-v1/node.ts';
import { Informer } from '#client/informer.ts';
import { keepHeartbeat } from '#agent/node-heartbeat.ts';
import { startCluster } from '#test/support/cluster.ts';

const WAIT_MS = 5_000;

test('heartbeat: renews the lease every ten seconds, and makes the node ready again', async () => {
  const clock = new FakeClock();
  await using cluster = await startCluster({ clock, namespaces: ['kube-node-lease'] });
  const { client } = cluster;
  const stop = new AbortController();
  const { signal } = stop;
  const informing = { client, clock, random: seededRandom(1), log: silentLog, signal };
  await using leases = new Informer(Lease, informing);
  await using nodes = new Informer(Node, informing);
  await Promise.all([leases.synced(), nodes.synced()]);
  const state = { isShort: false };
  const pressure = {
    look: async () => undefined,
    conditions: () => [{ type: 'DiskPressure', status: state.isShort ? 'True' : 'False' }],
  };
  const facts = { name: 'n', address: '10.0.0.1', podRange: '10.0.0.0/16', clock, pressure };
  const beating = keepHeartbeat(client, facts, { log: silentLog, signal });
  const renewed = (time: string): Promise<boolean> =>
    leases.until(() => leases.list()[0]?.spec?.renewTime === time, WAIT_MS);
  const isReady = (): boolean =>
    nodes.list()[0]?.status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True';
  assert.ok(await renewed('2026-01-01T00:00:00.000000Z'));
  assert.ok(await nodes.until(isReady, WAIT_MS));
  const node = await client.get(Node, { name: 'n' });
  assert.ok(node);
  const conditions = [{ type: 'Ready', status: 'Unknown' }];
  await client.updateStatus(Node, { ...node, status: { ...node.status, conditions } });
  assert.ok(await nodes.until(() => !isReady(), WAIT_MS));
  clock.advance(10_000);
  assert.ok(await renewed('2026-01-01T00:00:10.000000Z'));
  assert.ok(await nodes.until(isReady, WAIT_MS));
  state.isShort = true;
  clock.advance(10_000);
  const isFull = (): boolean =>
    nodes.list()[0]?.status?.conditions?.find(({ type }) => type === 'DiskPressure')?.status ===
    'True';
  assert.ok(await nodes.until(isFull, WAIT_MS), 'and says what it is short of');
  stop.abort();
  await beating;
});
