import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nextPlace, preparedMax, type Contender } from '#agent/prepared/next-place.ts';

const asking = (calledMs: number): Contender => ({ calledMs, missing: 1, held: 0, idle: 0 });
const ready = (calledMs: number): Contender => ({ calledMs, missing: 0, held: 1, idle: 1 });
const busy = (calledMs: number): Contender => ({ calledMs, missing: 0, held: 1, idle: 0 });

test('prepared places: the most recently called comes first', () => {
  assert.deepEqual(nextPlace([asking(1), asking(3), asking(2)], 8), { next: asking(3) });
  assert.equal(nextPlace([ready(1), busy(2)], 8), undefined, 'nobody misses one');
});

test('prepared places: once all are taken, the one called longest ago gives one up', () => {
  const wanted = { next: asking(9), instead: ready(2) };
  assert.deepEqual(nextPlace([busy(1), ready(3), ready(2), asking(9)], 3), wanted);
  assert.equal(nextPlace([ready(3), ready(2), asking(1)], 2), undefined, 'it was called before');
  assert.equal(nextPlace([busy(1), asking(9)], 1), undefined, 'what is taken is not given up');
  assert.equal(nextPlace([asking(9)], 0), undefined, 'there are none at all');
});

test('prepared places: a twentieth of the memory, and no more than 128', () => {
  assert.deepEqual([512 * 2 ** 20, 1 * 2 ** 30, 64 * 2 ** 30].map(preparedMax), [12, 25, 128]);
});
