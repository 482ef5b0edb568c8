import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveBounds, rollingUpdateStep } from '#controllers/core/deployment/rolling-update.ts';

type Pair = readonly [replicas: number, available: number];

function check(
  rollout: {
    replicas: number;
    surge: number;
    unavailable: number;
    now: Pair;
    old: readonly Pair[];
  },
  expected: { now: number; old: readonly number[] },
): void {
  const set = ([replicas, available]: Pair) => ({ replicas, available });
  const step = rollingUpdateStep({
    replicas: rollout.replicas,
    maxSurge: rollout.surge,
    maxUnavailable: rollout.unavailable,
    newSet: set(rollout.now),
    oldSets: rollout.old.map(set),
  });
  const found = { now: step.newReplicas, old: step.oldReplicas };
  assert.deepEqual(found, expected, JSON.stringify(rollout));
}

test('rolling update: the new set grows by the surge, then the old shrinks by what became available', () => {
  const bounds = { replicas: 4, surge: 1, unavailable: 1 };
  check({ ...bounds, now: [0, 0], old: [[4, 4]] }, { now: 1, old: [4] });
  check({ ...bounds, now: [1, 0], old: [[4, 4]] }, { now: 1, old: [3] });
  check({ ...bounds, now: [1, 0], old: [[3, 3]] }, { now: 2, old: [3] });
  check({ ...bounds, now: [2, 2], old: [[3, 3]] }, { now: 2, old: [1] });
  check({ ...bounds, now: [4, 3], old: [[1, 1]] }, { now: 4, old: [0] });
  check({ ...bounds, now: [4, 4], old: [[0, 0]] }, { now: 4, old: [0] });
});

test('rolling update: without surge the old shrinks first', () => {
  const bounds = { replicas: 3, surge: 0, unavailable: 1 };
  check({ ...bounds, now: [0, 0], old: [[3, 3]] }, { now: 0, old: [2] });
  check({ ...bounds, now: [0, 0], old: [[2, 2]] }, { now: 1, old: [2] });
  check({ ...bounds, now: [1, 0], old: [[2, 2]] }, { now: 1, old: [2] });
});

test('rolling update: old pods that serve nobody go at once', () => {
  const bounds = { replicas: 3, surge: 1, unavailable: 0 };
  check({ ...bounds, now: [1, 0], old: [[3, 3]] }, { now: 1, old: [3] });
  check(
    { replicas: 3, surge: 0, unavailable: 2, now: [0, 0], old: [[3, 1]] },
    { now: 0, old: [1] },
  );
  check(
    { replicas: 1, surge: 1, unavailable: 0, now: [1, 1], old: [[1, 0]] },
    { now: 1, old: [0] },
  );
});

test('rolling update: the oldest set goes first, and a scale-in shrinks the new set', () => {
  const bounds = { replicas: 2, surge: 1, unavailable: 0 };
  check(
    {
      ...bounds,
      now: [2, 2],
      old: [
        [1, 1],
        [1, 1],
      ],
    },
    { now: 2, old: [0, 0] },
  );
  check(
    {
      ...bounds,
      now: [1, 1],
      old: [
        [1, 1],
        [1, 1],
      ],
    },
    { now: 1, old: [0, 1] },
  );
  check({ ...bounds, now: [5, 5], old: [] }, { now: 2, old: [] });
  check(
    { replicas: 0, surge: 0, unavailable: 1, now: [3, 3], old: [[1, 1]] },
    { now: 0, old: [1] },
  );
});

test('rolling update: bounds are numbers, or shares rounded so that the rollout can move', () => {
  const of = (replicas: number, maxSurge: string | number, maxUnavailable: string | number) =>
    resolveBounds(replicas, { maxSurge, maxUnavailable });
  assert.deepEqual(of(10, '25%', '25%'), { maxSurge: 3, maxUnavailable: 2 });
  assert.deepEqual(of(1, '25%', '25%'), { maxSurge: 1, maxUnavailable: 0 });
  assert.deepEqual(of(1, 0, '25%'), { maxSurge: 0, maxUnavailable: 1 });
  assert.deepEqual(of(0, '25%', '25%'), { maxSurge: 0, maxUnavailable: 0 });
  assert.deepEqual(of(100, '7%', 5), { maxSurge: 7, maxUnavailable: 5 });
  assert.deepEqual(of(2, 3, 9), { maxSurge: 3, maxUnavailable: 2 });
});
