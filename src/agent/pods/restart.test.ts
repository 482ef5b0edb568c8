import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isRestarted, restartDelayMs } from '#agent/pods/restart.ts';

test('restart: by policy, kind and exit code', () => {
  for (const [policy, isInit, exitCode, expected] of [
    ['Always', false, 0, true],
    ['Always', false, 1, true],
    ['Always', true, 0, false],
    ['OnFailure', false, 0, false],
    ['OnFailure', false, 1, true],
    ['Never', true, 1, false],
  ] as const)
    assert.equal(isRestarted({ policy, isInit, exitCode }), expected, `${policy} ${exitCode}`);
});

test('restart: at once, then 10 s doubled to 5 minutes', () => {
  assert.deepEqual([1, 2, 3, 4, 9].map(restartDelayMs), [0, 10_000, 20_000, 40_000, 300_000]);
});
