import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { isSameContent, overlayObject } from '#client/overlay.ts';

type Thing = KubeObject & { spec?: unknown; status?: unknown };

function thing(spec: unknown, metadata: KubeObject['metadata'] = {}): Thing {
  return { apiVersion: 'v1', kind: 'Thing', metadata: { name: 'a', ...metadata }, spec };
}

/** `expected` undefined: nothing differs. */
function check(current: unknown, desired: unknown, expected?: unknown): void {
  const object = thing(current);
  const next = overlayObject(object, thing(desired));
  if (expected === undefined) assert.equal(next, object, JSON.stringify(desired));
  else assert.deepEqual(next.spec, expected);
}

test('overlay: what is left out or defaulted by the server stays', () => {
  check({ a: 1, b: 2 }, { a: 1 });
  check({ a: 1, b: 2 }, { a: 1, b: undefined });
  check({ a: 1, b: { c: 1, d: 2 } }, { b: { c: 3 } }, { a: 1, b: { c: 3, d: 2 } });
});

test('overlay: null removes, and is satisfied by absence', () => {
  check({ a: 1 }, { b: null });
  check({ a: 1, b: 2 }, { b: null }, { a: 1 });
  check({}, { a: { b: null, c: 1 } }, { a: { c: 1 } });
});

test('overlay: arrays are compared element by element and replaced whole', () => {
  check({ a: [{ name: 'x', protocol: 'TCP' }] }, { a: [{ name: 'x' }] });
  check({ a: [{ name: 'x', protocol: 'TCP' }] }, { a: [{ name: 'y' }] }, { a: [{ name: 'y' }] });
  check({ a: [1, 2] }, { a: [1] }, { a: [1] });
  check({ a: [1] }, { a: [] }, { a: [] });
});

test('overlay: empty is satisfied by absent', () => {
  check({}, { a: [], b: {} });
  check({ b: { c: 1 } }, { b: {} });
});

test('overlay: a key named like a method of Object is data', () => {
  check({}, { constructor: { toString: 1 } }, { constructor: { toString: 1 } });
});

test("overlay: owner references and finalizers join others' and the status is left alone", () => {
  const other = { apiVersion: 'v1', kind: 'A', name: 'a', uid: '1' };
  const ours = { apiVersion: 'v1', kind: 'B', name: 'b', uid: '2' };
  const current: Thing = {
    ...thing({}, { uid: 'u', finalizers: ['x'], ownerReferences: [other] }),
    status: { a: 1 },
  };
  const desired: Thing = {
    ...thing({}, { finalizers: ['y'], ownerReferences: [ours], resourceVersion: '9' }),
    status: { a: 2 },
  };
  const next = overlayObject(current, desired);
  assert.deepEqual(next.metadata, {
    name: 'a',
    uid: 'u',
    finalizers: ['x', 'y'],
    ownerReferences: [other, ours],
  });
  assert.deepEqual(next.status, { a: 1 });
  assert.equal(overlayObject(next, desired), next);
});

test('overlay: the same content in both directions', () => {
  assert.ok(isSameContent({ a: [], b: null, c: 1 }, { c: 1 }));
  assert.ok(!isSameContent({ c: 1 }, { c: 1, d: false }));
  assert.ok(!isSameContent([1, 2], [2, 1]));
});
