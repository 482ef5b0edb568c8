import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onceATurn } from './once-a-turn.ts';

test('once a turn: many calls are one, and each turn has its own', async () => {
  let runs = 0;
  const call = onceATurn(() => {
    runs += 1;
  });
  for (let turn = 1; turn <= 2; turn += 1) {
    for (let count = 0; count < 3; count += 1) call();
    await Promise.resolve().then(call);
    assert.equal(runs, turn - 1);
    await new Promise(setImmediate);
    assert.equal(runs, turn);
  }
});
