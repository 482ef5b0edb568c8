import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Container } from '#api/generated/core-v1.ts';
import { isRestarted, restartDelayMs } from '#agent/pods/restart.ts';

const container = { name: 'main', image: 'x' };

test('restart: by role, policy and exit code', () => {
  for (const [policy, role, exitCode, expected] of [
    ['Always', 'main', 0, true],
    ['Always', 'main', 1, true],
    ['Always', 'init', 0, false],
    ['Always', 'init', 1, true],
    ['OnFailure', 'main', 0, false],
    ['OnFailure', 'main', 1, true],
    ['Never', 'init', 1, false],
    ['Never', 'sidecar', 0, true],
    ['Always', 'ephemeral', 1, false],
  ] as const)
    assert.equal(isRestarted({ container, policy, role, exitCode }), expected, `${policy} ${role}`);
});

test("restart: a container's own rules and policy go before the pod's", () => {
  const rule = (operator: string, values: number[]) => ({
    ...container,
    restartPolicy: 'Never',
    restartPolicyRules: [{ action: 'Restart', exitCodes: { operator, values } }],
  });
  const asks = (own: Container, exitCode: number): boolean =>
    isRestarted({ container: own, role: 'main', policy: 'Always', exitCode });
  assert.equal(asks({ ...container, restartPolicy: 'Never' }, 1), false);
  assert.equal(asks(rule('In', [42]), 42), true);
  assert.equal(asks(rule('In', [42]), 1), false);
  assert.equal(asks(rule('NotIn', [42]), 1), true);
});

test('restart: at once, then 10 s doubled to 5 minutes', () => {
  assert.deepEqual([1, 2, 3, 4, 9].map(restartDelayMs), [0, 10_000, 20_000, 40_000, 300_000]);
});
