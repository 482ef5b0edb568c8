import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  decideReplicas,
  type ReplicasDecision,
  type ReplicasInput,
} from '#autoscaler/decide-replicas.ts';
import { defaultSettings } from '#api/serving-config/config-maps.ts';
import { scaleSettings, type ScaleSettings } from '#autoscaler/scale-settings.ts';

interface Case {
  readonly name: string;
  readonly input: Partial<ReplicasInput>;
  readonly settings?: Partial<ScaleSettings>;
  readonly expected: ReplicasDecision;
}

const running: ReplicasInput = {
  desired: 0,
  isReachable: true,
  isInitialized: true,
  active: 'True',
  activeForMs: 120_000,
  proxiedForMs: 120_000,
  isProxied: true,
  progressDeadlineMs: 600_000,
};

const cases: Case[] = [
  {
    name: 'what is wanted is what there shall be',
    input: { desired: 3 },
    expected: { wanted: 3, replicas: 3 },
  },
  { name: 'knows nothing, changes nothing', input: { desired: -1 }, expected: { wanted: -1 } },
  {
    name: 'never below min-scale',
    input: { desired: 0 },
    settings: { minScale: 2 },
    expected: { wanted: 2, replicas: 2 },
  },
  {
    name: 'never above max-scale',
    input: { desired: 9 },
    settings: { maxScale: 4 },
    expected: { wanted: 4, replicas: 4 },
  },
  {
    name: 'min-scale does not hold what nobody can reach',
    input: { isReachable: false, active: 'False' },
    settings: scaleSettings(
      {
        annotations: { 'autoscaling.knative.dev/min-scale': '2' },
        containerConcurrency: 0,
        isReachable: false,
      },
      defaultSettings.autoscaler,
    ),
    expected: { wanted: 0, replicas: 0 },
  },
  {
    name: 'the initial scale does not hold what nobody can reach',
    input: { isReachable: false, isInitialized: false, desired: 1 },
    settings: { initialScale: 3 },
    expected: { wanted: 1, replicas: 1 },
  },
  {
    name: 'the initial scale is reached also beyond max-scale, which counts from then on',
    input: { desired: 1, isInitialized: false, active: 'Unknown' },
    settings: { initialScale: 5, maxScale: 3 },
    expected: { wanted: 5, replicas: 5 },
  },
  {
    name: 'more than max-scale goes once the initial scale was reached',
    input: { desired: 5 },
    settings: { initialScale: 5, maxScale: 3 },
    expected: { wanted: 3, replicas: 3 },
  },
  {
    name: 'the initial scale holds until it was reached',
    input: { desired: 1, isInitialized: false, active: 'Unknown' },
    settings: { initialScale: 3 },
    expected: { wanted: 3, replicas: 3 },
  },
  {
    name: 'without scale to zero one stays',
    input: {},
    settings: { isScaleToZeroEnabled: false },
    expected: { wanted: 1, replicas: 1 },
  },
  {
    name: 'while activating nothing is taken away',
    input: { desired: -1, active: 'Unknown', activeForMs: 30_000 },
    expected: { wanted: -1, againAfterMs: 600_001 },
  },
  {
    name: 'an activation that takes too long is given up',
    input: { active: 'Unknown', activeForMs: 630_001 },
    expected: { wanted: 0, replicas: 0 },
  },
  {
    name: 'active for less than a window keeps its last pod',
    input: { activeForMs: 20_000 },
    expected: { wanted: 1, replicas: 1, againAfterMs: 40_000 },
  },
  {
    name: 'active for a window becomes inactive, its pod stays for now',
    input: {},
    expected: { wanted: 0, againAfterMs: 3_000 },
  },
  {
    name: 'inactive and behind the gateway for long: the pod goes at once',
    input: { active: 'False', activeForMs: 0 },
    expected: { wanted: 0, replicas: 0 },
  },
  {
    name: 'inactive and not behind the gateway for long: waits for the grace period',
    input: { active: 'False', activeForMs: 1_000, proxiedForMs: 10_000 },
    expected: { wanted: 0, againAfterMs: 20_000 },
  },
  {
    name: 'inactive for the grace period goes in any case',
    input: { active: 'False', activeForMs: 30_000, proxiedForMs: 0, isProxied: false },
    expected: { wanted: 0, replicas: 0 },
  },
  {
    name: 'the last pod is kept as long as its retention says',
    input: { active: 'False', activeForMs: 10_000 },
    settings: { podRetentionMs: 60_000 },
    expected: { wanted: 0, againAfterMs: 50_000 },
  },
  {
    name: 'nobody retains the last pod of what nobody can reach',
    input: { active: 'False', activeForMs: 10_000, isReachable: false },
    settings: { podRetentionMs: 60_000 },
    expected: { wanted: 0, replicas: 0 },
  },
];

for (const { name, input, settings, expected } of cases) {
  test(`replicas: ${name}`, () => {
    const base = scaleSettings(
      { annotations: {}, containerConcurrency: 0 },
      defaultSettings.autoscaler,
    );
    assert.deepEqual(decideReplicas({ ...running, ...input }, { ...base, ...settings }), expected);
  });
}
