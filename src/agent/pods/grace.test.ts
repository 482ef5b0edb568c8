import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { FakeClock } from '#base/fake-clock.ts';
import { Grace } from '#agent/pods/grace.ts';

const { signal: never } = new AbortController();

test('grace: it passes in its time, and sooner when it is shortened, never later', async () => {
  const clock = new FakeClock();
  const grace = new Grace(clock, 30_000);
  let isOver = false;
  const passed = grace.passed(never).then(() => (isOver = true));
  clock.advance(10_000);
  grace.shorten(60_000);
  assert.equal(grace.leftMs, 20_000);
  grace.shorten(5_000);
  await turn();
  clock.advance(4_999);
  await turn();
  assert.equal(isOver, false);
  clock.advance(1);
  await passed;
  assert.equal(grace.leftMs, 0);
  await grace.passed(never);
});

test('grace: who waits for it may leave, and none at all is over at once', async () => {
  const clock = new FakeClock();
  const stop = new AbortController();
  const waiting = new Grace(clock, 1e12).passed(stop.signal);
  stop.abort();
  await waiting;
  const none = new Grace(clock, 0);
  none.shorten(-1);
  await none.passed(never);
  assert.equal(none.leftMs, 0);
});
