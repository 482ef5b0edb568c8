import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AsyncQueue } from '#base/async-queue.ts';

class TooSlow extends Error {}

test('async queue: what is unread is bounded by number and by weight, and what was queued comes before the end', async () => {
  const weight = { max: 10, of: (text: string): number => text.length };
  const queue = new AsyncQueue<string>(100, () => new TooSlow(), weight);
  const reader = queue[Symbol.asyncIterator]();
  assert.equal(queue.push('eight on'), true);
  assert.equal((await reader.next()).value, 'eight on');
  // What was read weighs nothing any more; one value may be heavier than all may be together.
  for (const text of ['four', 'far more than ten']) assert.equal(queue.push(text), true);
  assert.equal(queue.push(''), false);
  assert.deepEqual(
    [(await reader.next()).value, (await reader.next()).value],
    ['four', 'far more than ten'],
  );
  await assert.rejects(reader.next(), TooSlow);

  const short = new AsyncQueue<number>(2, () => new TooSlow());
  assert.deepEqual(
    [1, 2, 3].map((each) => short.push(each)),
    [true, true, false],
  );
});
