import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '#base/random.ts';
import { SortedKeys } from '#store/sorted-keys.ts';

test('sorted keys agree with a sorted array through 5,000 random additions and removals', () => {
  const random = seededRandom(7);
  const keys = new SortedKeys();
  const model = new Set<string>();
  for (let step = 0; step < 5_000; step += 1) {
    const key = `/${random.suffix(2)}/${random.suffix(1)}`;
    if (!model.has(key)) {
      model.add(key);
      keys.add(key);
    } else if (random.fraction() < 0.5) {
      model.delete(key);
      keys.remove(key);
    }
  }
  const sorted = [...model].toSorted();
  assert.ok(sorted.length > 1_000, 'enough keys for several chunks');
  assert.deepEqual(keys.slice(0, Infinity), sorted);
  for (const bound of ['', '/', '/g', '/m/x', '/zz/z', '0']) {
    const rank = keys.rank((key) => key < bound);
    assert.equal(rank, sorted.filter((key) => key < bound).length);
    assert.deepEqual(keys.slice(rank, rank + 700), sorted.slice(rank, rank + 700));
  }
});

test('sorted keys are empty again when the last is removed', () => {
  const keys = new SortedKeys();
  keys.add('a');
  keys.remove('a');
  assert.deepEqual(keys.slice(0, Infinity), []);
  assert.equal(
    keys.rank(() => true),
    0,
  );
});
