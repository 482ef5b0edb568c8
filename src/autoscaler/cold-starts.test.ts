import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ColdStart } from '#base/cold-start.ts';
import { ColdStarts } from '#autoscaler/cold-starts.ts';

const coldStart = (pod: string): ColdStart => ({
  namespace: 'default',
  revision: 'hello-00001',
  pod,
  arrivedMs: 1,
  heardMs: 2,
  admittedMs: 5,
  answeredMs: 6,
});

test('cold starts: told with what is known by then of the pod', () => {
  const starts = new Map([['a', { begunMs: 2 }]]);
  const kept = new ColdStarts({ startOf: ({ pod }) => starts.get(pod) });
  kept.add(coldStart('a'));
  kept.add(coldStart('b'));
  assert.deepEqual(kept.list(), [{ ...coldStart('a'), begunMs: 2 }, coldStart('b')]);
  starts.set('b', { begunMs: 3 });
  assert.equal(kept.list()[1]?.begunMs, 3);
});

test('cold starts: only the newest are kept', () => {
  const kept = new ColdStarts({ startOf: () => undefined });
  for (let at = 0; at < 100; at += 1) kept.add(coldStart(`pod-${at}`));
  const names = kept.list().map(({ pod }) => pod);
  assert.equal(names.length, 64);
  assert.equal(names.at(-1), 'pod-99');
});
