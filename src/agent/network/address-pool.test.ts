import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '#base/random.ts';
import { AddressPool } from './address-pool.ts';

/** Five are to be had: .2 to .6. */
const RANGE = '10.8.0.0/29';
const ALL = [2, 3, 4, 5, 6].map((last) => `10.8.0.${last}`);

test('addresses: each once, until all are taken, which is said', () => {
  const pool = new AddressPool(RANGE, seededRandom(1));
  const taken = ALL.map(() => pool.take());
  assert.deepEqual(taken.toSorted(), ALL);
  assert.throws(() => pool.take(), /all 5 are taken/);
  pool.release('10.8.0.4');
  assert.equal(pool.take(), '10.8.0.4');
  assert.throws(() => pool.take(), /all 5 are taken/);
});

test('addresses: one that was given back comes after all others', () => {
  const pool = new AddressPool(RANGE, seededRandom(2));
  const first = pool.take();
  pool.release(first);
  const next = ALL.slice(1).map(() => pool.take());
  assert.ok(!next.includes(first));
  assert.equal(pool.take(), first);
});

test('addresses: one that somebody brought along is not handed out', () => {
  const pool = new AddressPool(RANGE, seededRandom(3));
  pool.reserve('10.8.0.5');
  const taken = ALL.slice(1).map(() => pool.take());
  assert.deepEqual(
    taken.toSorted(),
    ALL.filter((address) => address !== '10.8.0.5'),
  );
});

test('addresses: a range too small to be of use is refused', () => {
  assert.throws(() => new AddressPool('10.8.0.0/30', seededRandom(1)), /wanted a \/29 or larger/);
});
