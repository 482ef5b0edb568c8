import assert from 'node:assert/strict';
import { test } from 'node:test';
import { copyJson } from '#base/copy-json.ts';

test('a copy shares nothing that can be changed with what it is of', () => {
  const original = { list: [1, { deep: ['a'] }, null], text: 'x', none: null, yes: true };
  const copy = copyJson(original);
  assert.deepEqual(copy, original);
  assert.notEqual(copy.list, original.list);
  assert.notEqual(copy.list[1], original.list[1]);
  const frozen: { inner: { a: number } } = Object.freeze({ inner: Object.freeze({ a: 1 }) });
  const free = copyJson(frozen);
  free.inner.a = 2;
  assert.equal(frozen.inner.a, 1);
});

test('a field named __proto__ is copied as a field', () => {
  const hostile = JSON.parse('{"a":{"__proto__":{"polluted":[1]}}}') as { a: object };
  const copy = copyJson(hostile);
  assert.equal(JSON.stringify(copy), JSON.stringify(hostile));
  assert.equal(Object.getPrototypeOf(copy.a), Object.prototype);
  assert.ok(!('polluted' in copy.a));
});
