import assert from 'node:assert/strict';
import { test } from 'node:test';
import { untilNextAttemptMs } from './pod-prober.ts';

test('asking for readiness: each millisecond at first, and a thousand times a second at most, however many start', () => {
  const table: [elapsedMs: number, asked: number, expectedMs: number][] = [
    [0, 1, 1],
    [50, 1, 1],
    [1_000, 1, 10],
    [600_000, 1, 200],
    [0, 64, 64],
    [10_000, 64, 100],
    [0, 5_000, 200],
  ];
  for (const [elapsedMs, asked, expectedMs] of table) {
    assert.equal(untilNextAttemptMs(elapsedMs, asked), expectedMs, `${elapsedMs}, ${asked}`);
  }
});
