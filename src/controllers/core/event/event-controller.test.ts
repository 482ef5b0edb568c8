import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Event } from '#api/core-v1/event.ts';
import { Node } from '#api/core-v1/node.ts';
import { eventController } from '#controllers/core/event/event-controller.ts';
import { recordEvent } from '#reconcile/record-event.ts';
import { startCluster } from '#test/support/cluster.ts';
import { fixture } from '#test/support/fixture.ts';

const HALF_HOUR_MS = 30 * 60 * 1_000;

test('event: goes an hour after it was last seen', async () => {
  await using cluster = await startCluster({ controllers: [eventController] });
  const { client } = cluster;
  const node = await client.create(Node, fixture<Node>('{ metadata: { name: n } }'));
  const tell = (reason: string): Promise<void> =>
    recordEvent(cluster, node, { type: 'Normal', reason, message: 'so', component: 'test' });
  const reasons = async (): Promise<ReadonlySet<unknown>> =>
    new Set((await client.list(Event)).items.map(({ reason }) => reason));
  await tell('Once');
  await tell('Again');
  await cluster.advance(HALF_HOUR_MS);
  await tell('Again');
  await cluster.steady();
  assert.deepEqual(await reasons(), new Set(['Again', 'Once']));
  await cluster.advance(HALF_HOUR_MS);
  assert.deepEqual(await reasons(), new Set(['Again']));
  await cluster.steady();
  await cluster.advance(HALF_HOUR_MS);
  assert.deepEqual(await reasons(), new Set());
});
