import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Clock, systemClock } from '#base/clock.ts';
import { openTestStore, temporaryFolder } from '#test/support/image-fixture.ts';
import { sweepBuilds } from './sweep-builds.ts';

test('builds: what no build of a day used goes, what one used stays', async () => {
  await using home = await temporaryFolder();
  let hours = 0;
  const clock: Clock = {
    ...systemClock,
    now: () => new Date(Date.UTC(2030, 0, 1) + hours * 3_600_000),
  };
  const store = await openTestStore(home.path, clock);
  const used = await store.ingest([Buffer.from('base')]);
  const old = await store.ingest([Buffer.from('source')]);
  hours = 23;
  await store.touch(used.digest);
  assert.equal(await sweepBuilds(store, clock), 0);
  hours = 25;
  assert.equal(await sweepBuilds(store, clock), old.size);
  assert.deepEqual(await store.blobs(), [used.digest]);
});
