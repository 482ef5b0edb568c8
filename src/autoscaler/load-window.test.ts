import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LoadWindow } from '#autoscaler/load-window.ts';

/** Writes are `[second, load]`; the average is asked for at the given seconds. */
interface Case {
  readonly name: string;
  readonly writes: readonly (readonly [number, number])[];
  readonly averages: readonly (readonly [second: number, average: number | undefined])[];
}

const cases: Case[] = [
  { name: 'nothing was ever written', writes: [], averages: [[0, undefined]] },
  { name: 'one write counts in full', writes: [[0, 7]], averages: [[0, 7]] },
  {
    name: 'several gateways add up in a second',
    writes: [
      [0, 1],
      [0, 2],
    ],
    averages: [[0, 3]],
  },
  {
    name: 'a late write counts where it belongs, also before the first',
    writes: [
      [1, 4],
      [3, 2],
      [2, 6],
      [0, 100],
    ],
    averages: [[3, 28]],
  },
  {
    name: 'what comes later than a window is dropped',
    writes: [
      [6, 4],
      [2, 6],
      [1, 100],
    ],
    averages: [[6, 2]],
  },
  {
    name: 'a gap between writes counts as zero',
    writes: [
      [0, 6],
      [2, 3],
    ],
    averages: [[2, 3]],
  },
  {
    name: 'silence does not dilute, and ends with the window',
    writes: [
      [0, 2],
      [1, 4],
    ],
    averages: [
      [1, 3],
      [3, 3],
      // Second 0 has left the window of 5, and one second of it is left.
      [5, 4],
      [6, undefined],
    ],
  },
  {
    name: 'zeros take the load out of the window',
    writes: [
      [0, 10],
      [1, 0],
      [2, 0],
      [3, 0],
      [4, 0],
      [5, 0],
    ],
    averages: [[5, 0]],
  },
  {
    name: 'after a silent window the past is forgotten',
    writes: [
      [0, 10],
      [5, 4],
    ],
    averages: [[5, 4]],
  },
];

test('weighted: the newest second counts most, and silence dilutes', () => {
  const window = new LoadWindow(5_000);
  assert.equal(window.weightedAverage(0), undefined);
  for (let second = 0; second < 5; second += 1) window.record(second * 1_000, 10);
  // A share of 1 − 0.0001^(1/5) each time: all but a ten-thousandth of a steady load.
  const steady = window.weightedAverage(4_000) ?? 0;
  assert.ok(Math.abs(steady - 10 * (1 - 0.0001)) < 1e-9, String(steady));
  const share = 1 - 0.0001 ** (1 / 5);
  window.record(5_000, 0);
  assert.ok(Math.abs((window.weightedAverage(5_000) ?? 0) - steady * (1 - share)) < 1e-2);
  const silent = window.weightedAverage(7_000) ?? 0;
  assert.ok(silent > 0 && silent < (window.weightedAverage(5_000) ?? 0));
  assert.equal(window.weightedAverage(10_000), undefined);
});

test('weighted: in a long window the newest second has a fifth', () => {
  const window = new LoadWindow(60_000);
  window.record(0, 100);
  assert.ok(Math.abs((window.weightedAverage(0) ?? 0) - 20) < 1e-9);
});

for (const { name, writes, averages } of cases) {
  test(`load window of 5 s: ${name}`, () => {
    for (const startMs of [0, 1_234_567]) {
      const window = new LoadWindow(5_000);
      for (const [second, load] of writes) window.record(startMs + second * 1_000, load);
      assert.deepEqual(
        averages.map(([second]) => [second, window.average(startMs + second * 1_000)]),
        averages,
      );
    }
  });
}

test('load window: another length keeps the past, as far back as both go', () => {
  const window = new LoadWindow(4_000);
  for (const [second, load] of [
    [10, 100],
    [11, 8],
    [12, 6],
    [13, 4],
  ] as const) {
    window.record(second * 1_000, load);
  }
  assert.equal(window.resized(2_000).average(13_000), 5);
  const longer = window.resized(60_000);
  assert.equal(longer.average(13_000), 29.5);
  longer.record(14_000, 2);
  assert.equal(longer.average(14_000), 24);
  assert.equal(longer.average(73_000), 2);
  assert.equal(longer.resized(3_000).average(14_000), 4);
  assert.equal(new LoadWindow(4_000).resized(6_000).average(13_000), undefined);
});
