import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Event } from '#api/core-v1/event.ts';
import { eventController } from '#controllers/core/event/event-controller.ts';
import { startCluster } from '#test/support/cluster.ts';
import { fixture } from '#test/support/fixture.ts';

test('event: goes an hour after it was last seen', async () => {
  await using cluster = await startCluster({ controllers: [eventController] });
  const { client } = cluster;
  for (const [name, lastTimestamp] of [
    ['old', '2026-01-01T00:00:00Z'],
    ['seen-again', '2026-01-01T00:10:00Z'],
  ]) {
    await client.create(
      Event,
      fixture<Event>(`
        metadata: { name: ${name}, namespace: default }
        involvedObject: { kind: Pod, name: p, namespace: default }
        lastTimestamp: "${lastTimestamp}"
      `),
    );
  }
  await cluster.settled();
  const names = async (): Promise<(string | undefined)[]> =>
    (await client.list(Event)).items.map(({ metadata }) => metadata.name);
  for (let minute = 0; minute < 59; minute += 1) await cluster.advance(60_000);
  assert.deepEqual(await names(), ['old', 'seen-again']);
  await cluster.advance(60_000);
  assert.deepEqual(await names(), ['seen-again']);
  for (let minute = 0; minute < 10; minute += 1) await cluster.advance(60_000);
  assert.deepEqual(await names(), []);
  await cluster.steady();
});
