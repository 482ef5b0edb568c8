import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '#base/fake-clock.ts';
import { AfterColdStarts } from '#autoscaler/after-cold-starts.ts';

function kept(): { after: AfterColdStarts; clock: FakeClock; done: string[] } {
  const clock = new FakeClock();
  return { after: new AfterColdStarts(clock), clock, done: [] };
}

test('after cold starts: all is done when the last of them has answered', () => {
  const { after, clock, done } = kept();
  for (const key of ['a', 'b']) after.add(key, () => done.push(key));
  after.answered('a');
  after.answered('a');
  assert.deepEqual(done, []);
  after.answered('b');
  assert.deepEqual(done, ['a', 'b']);
  clock.advance(1_000);
  assert.deepEqual(done, ['a', 'b'], 'once');
});

test('after cold starts: one that takes long keeps the others back for a quarter of a second', () => {
  const { after, clock, done } = kept();
  after.add('slow', () => done.push('slow'));
  clock.advance(200);
  after.add('quick', () => done.push('quick'));
  after.answered('quick');
  assert.equal(done.join(), '');
  clock.advance(50);
  assert.equal(done.join(), 'slow,quick');
  after.add('next', () => done.push('next'));
  after.answered('next');
  assert.equal(done.join(), 'slow,quick,next');
});

test('after cold starts: nothing is done once it is disposed of', () => {
  const { after, clock, done } = kept();
  after.add('a', () => done.push('a'));
  after[Symbol.dispose]();
  clock.advance(1_000);
  assert.deepEqual(done, []);
});
