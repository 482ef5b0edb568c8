import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  averageTarget,
  proposeReplicas,
  utilizationTarget,
} from '#controllers/core/horizontal-pod-autoscaler/propose-replicas.ts';

interface Situation {
  readonly used: readonly number[];
  readonly unready?: number;
  readonly missing?: number;
  readonly replicas: number;
  /** Percent of the 1000 that every pod requests. */
  readonly percent?: number;
  /** Or so much a pod. */
  readonly average?: number;
  readonly tolerance?: { readonly up: number; readonly down: number };
}

function check(situation: Situation, expected: number): void {
  const { used, unready = 0, missing = 0, replicas, percent = 100, average } = situation;
  const named = (prefix: string, count: number): string[] =>
    Array.from({ length: count }, (_, at) => `${prefix}${at}`);
  const groups = {
    counted: new Map(used.map((value, at) => [`counted${at}`, value])),
    unready: named('unready', unready),
    missing: named('missing', missing),
  };
  const requests = new Map(
    [...groups.counted.keys(), ...groups.unready, ...groups.missing].map((pod) => [pod, 1000]),
  );
  const target =
    average === undefined ? utilizationTarget(percent, requests) : averageTarget(average);
  const { tolerance = { up: 0.1, down: 0.1 } } = situation;
  const proposed = proposeReplicas(groups, { currentReplicas: replicas, target, tolerance });
  assert.equal(proposed, expected, JSON.stringify(situation));
}

test('replicas: usage over and under its target changes them in proportion', () => {
  check({ used: [300, 500, 700], replicas: 3, percent: 30 }, 5);
  check({ used: [100, 300, 500, 250, 250], replicas: 5, percent: 50 }, 3);
  check({ used: [1000, 1000], replicas: 2, percent: 50 }, 4);
  check({ used: [200], replicas: 1, average: 50 }, 4);
  check({ used: [10, 10, 10], replicas: 3, average: 30 }, 1);
  check({ used: [0, 0], replicas: 2, percent: 50 }, 0);
});

test('replicas: near its target nothing is changed', () => {
  check({ used: [550, 550], replicas: 2, percent: 50 }, 2);
  check({ used: [560, 560], replicas: 2, percent: 50 }, 3);
  check({ used: [450, 450], replicas: 2, percent: 50 }, 2);
  check({ used: [440, 440, 440], replicas: 3, percent: 50 }, 3);
  check({ used: [510], replicas: 1, percent: 50, tolerance: { up: 0, down: 0.1 } }, 2);
  check({ used: [700], replicas: 1, percent: 50, tolerance: { up: 0.5, down: 0.1 } }, 1);
});

test('replicas: pods that start count as idle before more are added, and not at all before some are taken', () => {
  check({ used: [500, 700], unready: 1, replicas: 3, percent: 30 }, 4);
  check({ used: [400], unready: 2, replicas: 3, percent: 30 }, 3);
  check({ used: [100, 100], unready: 1, replicas: 3, percent: 50 }, 1);
});

test('replicas: pods that are not measured count as idle going up and as busy going down', () => {
  check({ used: [1000], missing: 1, replicas: 2 }, 2);
  check({ used: [1900], missing: 1, replicas: 2 }, 2);
  check({ used: [600], missing: 1, replicas: 2 }, 2);
  check({ used: [100, 100, 100], missing: 1, replicas: 4, percent: 50 }, 3);
  check({ used: [25, 25, 25], missing: 1, replicas: 4, average: 50 }, 3);
  check({ used: [1000, 1000], missing: 1, unready: 1, replicas: 4, percent: 20 }, 10);
});

test('replicas: where nothing is measured nothing is proposed', () => {
  assert.throws(() => check({ used: [], unready: 2, replicas: 2 }, 2), {
    message: 'did not receive metrics for targeted pods (pods might be unready)',
  });
});
