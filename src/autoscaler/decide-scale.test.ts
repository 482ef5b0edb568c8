import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  boundScale,
  decideScale,
  initialDecision,
  initialMemory,
  type ScaleInput,
} from '#autoscaler/decide-scale.ts';
import { defaultSettings } from '#api/serving-config/config-maps.ts';
import { initialScaleOf, scaleSettings } from '#autoscaler/scale-settings.ts';

/** Annotations without their prefix. */
function settings(
  annotations: Record<string, string> = {},
  containerConcurrency = 0,
): ReturnType<typeof scaleSettings> {
  const prefixed = Object.entries(annotations).map(([key, value]) => [
    `autoscaling.knative.dev/${key}`,
    value,
  ]);
  return scaleSettings(
    { annotations: Object.fromEntries(prefixed), containerConcurrency },
    defaultSettings.autoscaler,
  );
}

interface Case {
  readonly name: string;
  readonly input: Partial<ScaleInput>;
  readonly annotations?: Record<string, string>;
  readonly containerConcurrency?: number;
  readonly desired: number;
  readonly burst?: number;
  readonly isPanic?: boolean;
}

const cases: Case[] = [
  { name: 'no load wants nothing', input: {}, desired: 0 },
  { name: 'one request wants one pod', input: { stable: 1, panic: 1 }, desired: 1 },
  {
    name: 'the target is 70 % of 100',
    input: { readyPods: 1, stable: 71, panic: 71 },
    desired: 2,
    isPanic: true,
  },
  {
    name: 'a hard limit is the target',
    containerConcurrency: 10,
    input: { readyPods: 4, stable: 28, panic: 28 },
    desired: 4,
    burst: 4 * 10 - 211 - 28,
  },
  {
    name: 'the target annotation is capped by the hard limit',
    containerConcurrency: 10,
    annotations: { target: '50', 'target-utilization-percentage': '100' },
    input: { readyPods: 2, stable: 20, panic: 20 },
    desired: 2,
  },
  {
    name: 'goes down by half at most while it is reachable',
    input: { readyPods: 10 },
    desired: 5,
  },
  {
    name: 'goes down at once where nobody can reach it',
    input: { readyPods: 10, isReachable: false },
    desired: 0,
  },
  {
    name: 'goes up a thousandfold at most',
    annotations: { target: '1', 'target-utilization-percentage': '100' },
    input: { readyPods: 1, stable: 5_000, panic: 5_000 },
    desired: 1_000,
    isPanic: true,
  },
  {
    name: 'a burst panics and takes the larger number',
    input: { readyPods: 2, stable: 70, panic: 350 },
    desired: 5,
    isPanic: true,
  },
  {
    name: 'the panic threshold may be higher',
    annotations: { 'panic-threshold-percentage': '300' },
    input: { readyPods: 2, stable: 70, panic: 350 },
    desired: 1,
  },
  {
    name: 'from zero as many as the activation scale',
    annotations: { 'activation-scale': '3' },
    input: { stable: 1, panic: 1 },
    desired: 3,
  },
  {
    name: 'the activation scale does not keep an idle revision up',
    annotations: { 'activation-scale': '3' },
    input: { readyPods: 1 },
    desired: 0,
  },
  {
    name: 'the burst capacity is what pods have beyond target and load',
    input: { readyPods: 3, stable: 10, panic: 10 },
    desired: 1,
    burst: 300 - 211 - 10,
  },
  {
    name: 'what rounding makes of a load that just fits is what upstream makes of it',
    annotations: { metric: 'rps', target: '3' },
    input: { readyPods: 8, stable: 21, panic: 0 },
    desired: 11,
  },
  {
    name: 'burst capacity 0 leaves the gateway out',
    annotations: { 'target-burst-capacity': '0' },
    input: { readyPods: 1, stable: 50, panic: 50 },
    desired: 1,
    burst: 0,
  },
];

for (const { name, input, annotations, containerConcurrency, ...expected } of cases) {
  test(`scale: ${name}`, () => {
    const whole = { nowMs: 0, stable: 0, panic: 0, readyPods: 0, isReachable: true, ...input };
    const decision = decideScale(whole, settings(annotations, containerConcurrency), {
      delayed: [],
    });
    assert.equal(decision.desired, expected.desired);
    assert.equal(decision.memory.panic !== undefined, expected.isPanic ?? false);
    if (expected.burst !== undefined) assert.equal(decision.excessBurstCapacity, expected.burst);
  });
}

test('scale: a panic only grows and ends a stable window after its last moment', () => {
  const of = settings({ window: '10s' });
  const at = (nowMs: number, load: number, readyPods: number): ScaleInput => ({
    nowMs,
    stable: load,
    panic: load,
    readyPods,
    isReachable: true,
  });
  const burst = decideScale(at(0, 700, 1), of, { delayed: [] });
  assert.equal(burst.desired, 10);
  const after = decideScale(at(2_000, 70, 10), of, burst.memory);
  assert.equal(after.desired, 10);
  const last = decideScale(at(10_000, 70, 10), of, after.memory);
  assert.equal(last.desired, 10);
  const over = decideScale(at(10_001, 70, 10), of, last.memory);
  assert.deepEqual([over.desired, over.memory], [5, { delayed: [] }]);
});

test('scale: one that starts beside several pods keeps them for a window', () => {
  const input = { nowMs: 1_000, stable: 0, panic: 0, readyPods: 4, isReachable: true };
  assert.equal(decideScale(input, settings(), initialMemory(0, 4)).desired, 4);
  assert.equal(decideScale(input, settings(), initialMemory(0, 1)).desired, 2);
});

test('scale: knows nothing at first', () => {
  assert.deepEqual(initialDecision(settings()), { desired: -1, excessBurstCapacity: -111 });
  assert.deepEqual(initialDecision(settings({ 'target-burst-capacity': '-1' })), {
    desired: -1,
    excessBurstCapacity: -1,
  });
});

test('scale: waits with going down as long as it is told', () => {
  const of = settings({ 'scale-down-delay': '10s' });
  const at = (nowMs: number, load: number): ScaleInput => ({
    nowMs,
    stable: load,
    panic: load,
    readyPods: 6,
    isReachable: true,
  });
  const busy = decideScale(at(0, 420), of, { delayed: [] });
  assert.equal(busy.desired, 6);
  const quiet = decideScale(at(4_000, 210), of, busy.memory);
  assert.equal(quiet.desired, 6);
  const later = decideScale(at(10_000, 210), of, quiet.memory);
  assert.equal(later.desired, 3);
});

test('scale: the delay is as fine as decisions are made', () => {
  const of = settings({ 'scale-down-delay': '1s' });
  const at = (nowMs: number, load: number, isReachable = true): ScaleInput => {
    return { nowMs, stable: load, panic: load, readyPods: 6, isReachable };
  };
  const busy = decideScale(at(2_100, 420), of, { delayed: [] });
  const same = decideScale(at(3_900, 210), of, busy.memory);
  assert.equal(same.desired, 6, 'of two in one slot the higher counts');
  const hidden = decideScale(at(3_950, 70, false), of, same.memory);
  assert.equal(hidden.desired, 1, 'for what nobody reaches nothing is held');
  assert.equal(decideScale(at(3_990, 210), of, hidden.memory).desired, 6);
  assert.equal(decideScale(at(4_000, 210), of, same.memory).desired, 3);
});

for (const [pods, minScale, maxScale, expected] of [
  [0, 0, 0, 0],
  [0, 2, 0, 2],
  [9, 0, 3, 3],
  [2, 1, 3, 2],
  [4, 5, 3, 5],
  [6, 5, 3, 3],
] as const) {
  test(`scale: ${pods} within ${minScale} and ${maxScale} is ${expected}`, () => {
    assert.equal(boundScale(pods, { minScale, maxScale }), expected);
  });
}

test('settings: requests a second have a target of their own, which no limit of concurrency caps', () => {
  const rps = settings({ metric: 'rps' }, 10);
  assert.deepEqual([rps.metric, rps.total, rps.target], ['rps', 200, 140]);
  const said = { metric: 'rps', target: '50', 'target-utilization-percentage': '100' };
  assert.deepEqual([settings(said, 10).total, settings(said, 10).target], [50, 50]);
  const { metric, total, target } = settings({ metric: 'concurrency' }, 10);
  assert.deepEqual([metric, total, target], ['concurrency', 10, 7]);
});

test('settings: who may not begin with none begins as the cluster says', () => {
  assert.equal(settings({ 'initial-scale': '0' }).initialScale, 1);
  const config = { ...defaultSettings.autoscaler, allowsZeroInitialScale: true };
  assert.equal(initialScaleOf(0, config), 0);
  assert.equal(initialScaleOf(undefined, config), 1);
});

test('settings: both spellings of the weighted average are it', () => {
  const of = (value: string): boolean =>
    settings({ 'metric-aggregation-algorithm': value }).isWeighted;
  assert.deepEqual(['weighted-exponential', 'weightedExponential', 'linear'].map(of), [
    true,
    true,
    false,
  ]);
});

test('settings: the panic window is a share of the stable one, a second at least', () => {
  assert.equal(settings().panicWindowMs, 6_000);
  assert.equal(settings({ window: '6s' }).panicWindowMs, 1_000);
  assert.equal(settings({ window: '2m', 'panic-window-percentage': '50' }).panicWindowMs, 60_000);
});
