import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '#base/fake-clock.ts';
import type { PodAutoscaler } from '#api/autoscaling-v1alpha1/pod-autoscaler.ts';
import { timestamp } from '#api/meta/timestamp.ts';
import { ConditionAges } from '#reconcile/condition-ages.ts';

function autoscaler(lastTransitionTime: string): PodAutoscaler {
  return {
    apiVersion: 'autoscaling.internal.knative.dev/v1alpha1',
    kind: 'PodAutoscaler',
    metadata: { namespace: 'default', name: 'hello-00001' },
    spec: { scaleTargetRef: {}, protocolType: 'http1' },
    status: { conditions: [{ type: 'Active', status: 'False', lastTransitionTime }] },
  };
}

test('F10: a condition is as old as it is, whatever the clock is set to', () => {
  const clock = new FakeClock();
  const ages = new ConditionAges();
  const inactive = autoscaler(timestamp(clock.now()));
  clock.advance(5_000);
  assert.equal(ages.ageMs(inactive, { type: 'Active', clock }), 5_000);
  assert.equal(ages.ageMs(inactive, { type: 'Ready', clock }), 0);
  const hourMs = 60 * 60_000;
  for (const jumpMs of [hourMs, -2 * hourMs, 12 * 365 * 24 * hourMs]) {
    clock.jump(jumpMs);
    assert.equal(ages.ageMs(inactive, { type: 'Active', clock }), 5_000);
  }
  clock.advance(30_000);
  assert.equal(ages.ageMs(inactive, { type: 'Active', clock }), 35_000);
  assert.equal(ages.ageMs(autoscaler(timestamp(clock.now())), { type: 'Active', clock }), 0);
  // Written by a clock that is ahead of ours.
  assert.equal(ages.ageMs(autoscaler('2099-01-01T00:00:00Z'), { type: 'Active', clock }), 0);
});
