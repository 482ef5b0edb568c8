import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HPAScalingRules } from '#api/generated/autoscaling-v2.ts';
import {
  limit,
  stabilize,
  type Normalization,
  type Ruling,
} from '#controllers/core/horizontal-pod-autoscaler/normalize-replicas.ts';

const SECOND = 1000;
const NOW_MS = 10_000 * SECOND;

/** Seconds ago, and how many. */
type Ago = readonly [seconds: number, replicas: number];

interface Situation extends Partial<Pick<Normalization, 'min' | 'max' | 'behavior'>> {
  readonly desired: number;
  readonly current: number;
  readonly recommended?: readonly Ago[];
  readonly ups?: readonly Ago[];
  readonly downs?: readonly Ago[];
}

function check(
  rule: (given: Normalization) => Ruling,
  situation: Situation,
  [replicas, reason]: readonly [replicas: number, reason: string],
): void {
  const { recommended = [], ups = [], downs = [], ...given } = situation;
  const moments = (all: readonly Ago[]) =>
    all.map(([seconds, count]) => ({ atMs: NOW_MS - seconds * SECOND, replicas: count }));
  const ruling = rule({
    min: 1,
    max: 100,
    behavior: undefined,
    ...given,
    history: {
      recommendations: moments([...recommended, [0, situation.desired]]),
      ups: moments(ups),
      downs: moments(downs),
    },
    nowMs: NOW_MS,
  });
  const what = JSON.stringify(situation);
  assert.deepEqual([ruling.replicas, ruling.reason], [replicas, reason], what);
  const isFree = reason === 'ReadyForNewScale' || reason === 'DesiredWithinRange';
  assert.equal(ruling.isChanged, !isFree, what);
}

function pods(value: number, periodSeconds = 60) {
  return { type: 'Pods', value, periodSeconds };
}

function percent(value: number, periodSeconds = 60) {
  return { type: 'Percent', value, periodSeconds };
}

test('stabilization: nothing is taken away that the last five minutes asked for', () => {
  check(stabilize, { desired: 2, current: 5, recommended: [[299, 4]] }, [4, 'ScaleDownStabilized']);
  check(stabilize, { desired: 2, current: 5, recommended: [[300, 4]] }, [2, 'ReadyForNewScale']);
  check(stabilize, { desired: 2, current: 3, recommended: [[9, 9]] }, [3, 'ScaleDownStabilized']);
  check(stabilize, { desired: 7, current: 5, recommended: [[10, 1]] }, [7, 'ReadyForNewScale']);
});

test('stabilization: a behavior has windows of its own', () => {
  const up = (stabilizationWindowSeconds: number) => ({ scaleUp: { stabilizationWindowSeconds } });
  const recommended: readonly Ago[] = [
    [90, 3],
    [30, 6],
  ];
  const rising = { desired: 9, current: 2, recommended };
  check(stabilize, { ...rising, behavior: up(60) }, [6, 'ScaleUpStabilized']);
  check(stabilize, { ...rising, behavior: up(120) }, [3, 'ScaleUpStabilized']);
  check(stabilize, { ...rising, behavior: up(0) }, [9, 'ReadyForNewScale']);
  const behavior = { scaleDown: { stabilizationWindowSeconds: 0 } };
  check(stabilize, { desired: 1, current: 9, recommended, behavior }, [1, 'ReadyForNewScale']);
});

test('limits: without a behavior at most four, or twice as many', () => {
  check(limit, { desired: 9, current: 1 }, [4, 'ScaleUpLimit']);
  check(limit, { desired: 9, current: 3 }, [6, 'ScaleUpLimit']);
  check(limit, { desired: 9, current: 8 }, [9, 'DesiredWithinRange']);
  check(limit, { desired: 9, current: 4, max: 6 }, [6, 'TooManyReplicas']);
  check(limit, { desired: 1, current: 4, min: 2 }, [2, 'TooFewReplicas']);
  check(limit, { desired: 1, current: 90 }, [1, 'DesiredWithinRange']);
});

test('limits: policies count what was added and taken in their period', () => {
  const up = (...policies: NonNullable<HPAScalingRules['policies']>) => ({ scaleUp: { policies } });
  check(limit, { desired: 50, current: 10, behavior: up(pods(4)) }, [14, 'ScaleUpLimit']);
  check(limit, { desired: 50, current: 10, behavior: up(percent(10)) }, [11, 'ScaleUpLimit']);
  const both = up(pods(4), percent(100));
  check(limit, { desired: 50, current: 10, behavior: both }, [20, 'ScaleUpLimit']);
  const least = { scaleUp: { ...both.scaleUp, selectPolicy: 'Min' } };
  check(limit, { desired: 50, current: 10, behavior: least }, [14, 'ScaleUpLimit']);
  const recent = { desired: 50, current: 10, behavior: up(pods(4)) };
  check(limit, { ...recent, ups: [[59, 3]] }, [11, 'ScaleUpLimit']);
  check(limit, { ...recent, ups: [[60, 3]] }, [14, 'ScaleUpLimit']);
  check(limit, { ...recent, ups: [[5, 9]] }, [10, 'ScaleUpLimit']);
  check(limit, { ...recent, downs: [[5, 2]] }, [16, 'ScaleUpLimit']);
  check(limit, { ...recent, max: 12 }, [12, 'TooManyReplicas']);
  check(limit, { ...recent, desired: 12 }, [12, 'DesiredWithinRange']);
});

test('limits: going down the policy that takes most decides, unless the least is asked for', () => {
  const down = (...policies: NonNullable<HPAScalingRules['policies']>) => ({
    scaleDown: { policies },
  });
  const falling = { desired: 1, current: 10 };
  check(limit, { ...falling, behavior: down(pods(4)) }, [6, 'ScaleDownLimit']);
  check(limit, { ...falling, behavior: down(pods(4), percent(50)) }, [5, 'ScaleDownLimit']);
  const least = { scaleDown: { policies: [pods(4), percent(50)], selectPolicy: 'Min' } };
  check(limit, { ...falling, behavior: least }, [6, 'ScaleDownLimit']);
  check(limit, { ...falling, behavior: down(pods(4)), downs: [[5, 3]] }, [9, 'ScaleDownLimit']);
  check(limit, { ...falling, behavior: down(pods(4)), downs: [[5, 9]] }, [10, 'ScaleDownLimit']);
  check(limit, { ...falling, min: 8, behavior: down(pods(4)) }, [8, 'TooFewReplicas']);
});

test('limits: a direction that is closed stays closed', () => {
  const closed = { policies: [percent(100)], selectPolicy: 'Disabled' };
  const behavior = { scaleUp: closed, scaleDown: closed };
  check(limit, { desired: 9, current: 5, behavior }, [5, 'ScaleUpLimit']);
  check(limit, { desired: 1, current: 5, behavior }, [5, 'ScaleDownLimit']);
});
