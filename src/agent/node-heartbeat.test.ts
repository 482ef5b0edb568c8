import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { FakeClock } from '#base/fake-clock.ts';
import { silentLog } from '#base/log.ts';
import { seededRandom } from '#base/random.ts';
import { Lease } from '#api/coordination-v1/lease.ts';
import { Event } from '#api/core-v1/event.ts';
import { Node } from '#api/core-v1/node.ts';
import { Informer } from '#client/informer.ts';
import { keepHeartbeat } from '#agent/node-heartbeat.ts';
import { startCluster } from '#test/support/cluster.ts';

const WAIT_MS = 5_000;
const FIRST = '2026-01-01T00:00:00.000000Z';

test('heartbeat: renews the lease every ten seconds, and makes the node ready again', async () => {
  const clock = new FakeClock();
  await using cluster = await startCluster({ clock, namespaces: ['default', 'kube-node-lease'] });
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
    conditions: () => [
      {
        type: 'DiskPressure',
        status: state.isShort ? 'True' : 'False',
        reason: state.isShort ? 'KubeletHasDiskPressure' : 'KubeletHasNoDiskPressure',
      },
    ],
  };
  const facts = { name: 'n', address: '10.0.0.1', podRange: '10.0.0.0/16', clock, pressure };
  const beating = keepHeartbeat(client, facts, { log: silentLog, signal });
  const isReady = (): boolean =>
    nodes.list()[0]?.status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True';
  assert.ok(await leases.until(() => leases.list()[0]?.spec?.renewTime === FIRST, WAIT_MS));
  assert.ok(await nodes.until(isReady, WAIT_MS));
  const node = await client.get(Node, { name: 'n' });
  assert.ok(node);
  const { conditions: before = [] } = node.status ?? {};
  const conditions = before.map((each) =>
    each.type === 'Ready' ? { ...each, status: 'Unknown' } : each,
  );
  await client.updateStatus(Node, { ...node, status: { ...node.status, conditions } });
  assert.ok(await nodes.until(() => !isReady(), WAIT_MS));
  /** It may be telling of the last news still, and sleeps later. */
  const beatsUntil = async (isTrue: () => boolean): Promise<boolean> => {
    for (let beats = 0; !isTrue() && beats < 1000; beats += 1) {
      clock.advance(10_000);
      await turn();
    }
    return isTrue();
  };
  assert.ok(await beatsUntil(() => leases.list()[0]?.spec?.renewTime !== FIRST));
  assert.ok(await beatsUntil(isReady));
  state.isShort = true;
  const isFull = (): boolean =>
    nodes.list()[0]?.status?.conditions?.find(({ type }) => type === 'DiskPressure')?.status ===
    'True';
  assert.ok(await beatsUntil(isFull), 'and says what it is short of');
  stop.abort();
  await beating;
  const { items } = await client.list(Event, { namespace: 'default' });
  assert.deepEqual(
    items
      .map(({ message, involvedObject: { kind, uid } }) => `${kind} ${uid}: ${message}`)
      .toSorted(),
    [
      'Node n: Node n status is now: NodeHasDiskPressure',
      'Node n: Node n status is now: NodeReady',
    ],
  );
});
