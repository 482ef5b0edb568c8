import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Shares } from './shares.ts';

test('shares: each has its own, and what is given back is to be had again, once', () => {
  const shares = new Shares(2);
  const first = shares.take('a');
  assert.ok(first && shares.take('a'));
  assert.equal(shares.take('a'), undefined);
  assert.ok(shares.take('b'), 'what one has taken is not missing for another');
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  assert.ok(shares.take('a'));
  assert.equal(shares.take('a'), undefined);
});
