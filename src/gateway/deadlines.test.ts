import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '#base/clock.ts';
import { FakeClock } from '#base/fake-clock.ts';
import { Deadlines } from './deadlines.ts';

test('deadlines end in the order they were set, those cleared or set anew not before their time', () => {
  const clock = new FakeClock();
  const ended: string[] = [];
  using deadlines = new Deadlines<string>(clock, 100, (item) => ended.push(item));
  deadlines.set('first');
  deadlines.set('cleared');
  clock.advance(50);
  deadlines.set('second');
  deadlines.set('first');
  deadlines.clear('cleared');
  clock.advance(99);
  assert.deepEqual(ended, []);
  clock.advance(1);
  assert.deepEqual(ended, ['second', 'first']);
  assert.equal(deadlines.size, 0);
});

test('a deadline may set the next one as it ends', () => {
  const clock = new FakeClock();
  let ended = 0;
  using deadlines = new Deadlines<string>(clock, 100, (item) => {
    ended += 1;
    if (ended < 3) deadlines.set(item);
  });
  deadlines.set('again');
  clock.advance(1_000);
  assert.equal(ended, 3);
});

test('one timer serves all, also where the end of one wait begins another', () => {
  const clock = new FakeClock();
  let timers = 0;
  const counting: Clock = {
    now: () => clock.now(),
    monotonicMs: () => clock.monotonicMs(),
    after(delayMs, run) {
      timers += 1;
      return clock.after(delayMs, () => {
        timers -= 1;
        run();
      });
    },
  };
  using deadlines = new Deadlines<string>(counting, 100, (item) => deadlines.set(`${item}'`));
  for (const item of ['a', 'b', 'c']) {
    deadlines.set(item);
    clock.advance(10);
  }
  clock.advance(1_000);
  assert.equal(deadlines.size, 3);
  assert.equal(timers, 1);
});
