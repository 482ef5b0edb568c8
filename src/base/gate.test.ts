import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Gate } from '#base/gate.ts';

const { signal } = new AbortController();

test('gate: so many at once, the others in the order they came', async () => {
  const gate = new Gate(2);
  const begun: number[] = [];
  const ends: (() => void)[] = [];
  const all = [0, 1, 2, 3].map((index) =>
    gate.run(async () => {
      begun.push(index);
      const { promise, resolve } = Promise.withResolvers<void>();
      ends.push(resolve);
      await promise;
    }, signal),
  );
  await Promise.resolve();
  assert.deepEqual(begun, [0, 1]);
  ends[1]?.();
  await all[1];
  assert.deepEqual(begun, [0, 1, 2]);
  ends[0]?.();
  await all[0];
  assert.deepEqual(begun, [0, 1, 2, 3]);
  for (const end of ends) end();
  await Promise.all(all);
});

test('gate: who fails, or no longer wants, gives its place to the next', async () => {
  const gate = new Gate(1);
  const stop = new AbortController();
  const { promise, reject } = Promise.withResolvers<void>();
  const first = gate.run(() => promise, signal);
  const second = gate.run(() => assert.fail('nobody wants it'), stop.signal);
  const third = gate.run(() => Promise.resolve('third'), signal);
  stop.abort();
  reject(new Error('failed'));
  await assert.rejects(first, /failed/);
  await assert.rejects(second, { name: 'AbortError' });
  assert.equal(await third, 'third');
});
