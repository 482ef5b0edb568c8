import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '#base/random.ts';
import { AddressPool } from '#agent/network/address-pool.ts';
import { overlaps, parseCidr } from '#agent/network/ipv4.ts';
import { chooseRanges } from '#agent/network/ranges.ts';

function block(text: string): { first: number; bits: number } {
  const cidr = parseCidr(text);
  assert.ok(cidr, text);
  return cidr;
}

test('ranges: avoid what routes already cover', () => {
  const free = chooseRanges('one', []);
  const other = chooseRanges('one', [block(free.podFacing)]);
  assert.notEqual(other.pods, free.pods);
  assert.ok(!overlaps(block(other.pods), block(other.services)));
  assert.throws(() => chooseRanges('one', [block('10.0.0.0/8')]), /Cannot choose addresses/);
});

test('blocks: a dotted quad and a length, or nothing', () => {
  assert.deepEqual(parseCidr('10.1.2.3/16'), parseCidr('10.1.0.0/16'));
  for (const text of ['default', '10.1', '10.1.2.300', '10.0.0.0/33', 'fe80::/64'])
    assert.equal(parseCidr(text), undefined, text);
});

test('address pool: gives each once, avoids what is reserved, says when it is empty', () => {
  const pool = new AddressPool('10.1.0.0/29', { ...seededRandom(1), fraction: () => 0 });
  pool.reserve('10.1.0.3');
  const given = ['10.1.0.2', '10.1.0.4', '10.1.0.5', '10.1.0.6'].map(() => pool.take());
  assert.deepEqual(given, ['10.1.0.2', '10.1.0.4', '10.1.0.5', '10.1.0.6']);
  assert.throws(() => pool.take(), /all 5 are taken/);
  pool.release('10.1.0.3');
  assert.equal(pool.take(), '10.1.0.3');
});
