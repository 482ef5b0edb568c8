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
