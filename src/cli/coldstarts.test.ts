import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quantileOf } from './coldstarts.ts';

const bounds = [0.01, 0.1, 1];

test('quantiles of histograms: even within a bucket, and never above the highest bound', () => {
  const check = (counts: readonly number[], quantile: number, expected: number): void => {
    const count = counts.reduce((all, each) => all + each, 0);
    const found = quantileOf({ bounds, counts, count }, quantile);
    assert.ok(Math.abs(found - expected) < 1e-9, `${found}, wanted ${expected}`);
  };
  check([10, 0, 0, 0], 0.5, 0.005);
  check([10, 10, 0, 0], 0.75, 0.055);
  check([1, 0, 0, 9], 0.95, 1);
  check([0, 0, 4, 0], 1, 1);
});
