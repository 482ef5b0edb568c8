import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { FakeClock } from '#base/fake-clock.ts';
import { silentLog } from '#base/log.ts';
import { NodeEviction } from '#agent/node-eviction.ts';
import type { Pressure, Shortage } from '#agent/node-pressure.ts';

test('eviction: a machine is looked at every ten seconds, and at once where its disk has filled since', async () => {
  const clock = new FakeClock();
  const looks: number[] = [];
  let isDiskFull = false;
  const shortage = { available: 1, threshold: 2 };
  const nothing = async (): Promise<void> => undefined;
  const eviction = new NodeEviction({
    pressure: {
      isDiskFull: async () => isDiskFull,
      async look() {
        looks.push(clock.monotonicMs() / 1000);
        return new Map<Pressure, Shortage>(isDiskFull ? [['DiskPressure', shortage]] : []);
      },
    },
    pods: () => [],
    runtime: { usage: async () => undefined },
    report: nothing,
    tell: nothing,
    makeRoom: nothing,
    clock,
    log: silentLog,
  });
  const stop = new AbortController();
  const keeping = eviction.keep(stop.signal);
  const pass = async (seconds: number): Promise<void> => {
    for (let second = 0; second < seconds; second += 1) {
      await turn();
      clock.advance(1_000);
    }
    await turn();
  };
  await pass(13);
  assert.deepEqual(looks, [0, 10]);
  isDiskFull = true;
  await pass(1);
  // Twice: before and after there was room to be made.
  assert.deepEqual(looks, [0, 10, 14, 14]);
  // What is being done about it takes its time.
  await pass(9);
  assert.equal(looks.length, 4);
  await pass(1);
  assert.deepEqual(looks.slice(4), [24, 24]);
  stop.abort();
  await keeping;
});
