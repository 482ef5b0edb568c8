import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  addQuantities,
  amountOf,
  numberOf,
  parseQuantity,
  renderQuantity,
  subtractQuantities,
} from '#api/meta/quantity.ts';

test('quantity: read and written in the canonical form', () => {
  const check = (text: string | number, canonical: string): void =>
    assert.equal(renderQuantity(parseQuantity(text)), canonical, String(text));
  check('50m', '50m');
  check('0.05', '50m');
  check('1', '1');
  check(2, '2');
  check('1000m', '1');
  check('1500m', '1500m');
  check('1Gi', '1Gi');
  check('1024Mi', '1Gi');
  check('1.5Gi', '1536Mi');
  check('1000000', '1M');
  check('1e3', '1k');
  check('1E', '1E');
  check('-250m', '-250m');
  check('.5', '500m');
  check('0', '0');
  check('0.1n', '1n');
  check('1e-12', '1n');
});

test('quantity: what is none is refused in the words clients know', () => {
  for (const text of ['', 'x', '1Kb', '1 Gi', '--1', '1.2.3']) {
    assert.throws(() => parseQuantity(text), /quantities must match the regular expression/);
  }
});

test('quantity: sums are exact and keep the notation', () => {
  const sum = ['100m', '100m', '100m'].map(parseQuantity).reduce((a, b) => addQuantities(a, b));
  assert.equal(renderQuantity(sum), '300m');
  const left = subtractQuantities(parseQuantity('1Gi'), parseQuantity('256Mi'));
  assert.equal(renderQuantity(left), '768Mi');
  assert.equal(numberOf(parseQuantity('250m')), 0.25);
});

test('quantity: amounts to calculate with, whole ones exactly', () => {
  const table: readonly (readonly [string | number, number])[] = [
    ['100m', 0.1],
    ['1Ki', 1024],
    ['1.5G', 1.5e9],
    ['1e3', 1000],
    [2, 2],
    ['9007199254740991', 9_007_199_254_740_991],
  ];
  for (const [text, value] of table) assert.equal(amountOf(text), value);
});
