import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  difference,
  intersection,
  parseFieldSet,
  pathsOf,
  union,
  type FieldSet,
} from '#apiserver/apply/field-set.ts';

const ab: FieldSet = { 'f:a': {}, 'f:b': {} };
const abc: FieldSet = { 'f:a': { '.': {}, 'f:c': {} }, 'f:b': {} };

test('field sets: union, difference, intersection', () => {
  const cases: readonly [found: FieldSet | undefined, wanted: FieldSet | undefined][] = [
    [union(ab, { 'f:c': {} }), { 'f:a': {}, 'f:b': {}, 'f:c': {} }],
    [union({ 'f:a': { 'f:c': {} } }, ab), abc],
    [union(undefined, ab), ab],
    [difference(abc, ab), { 'f:a': { 'f:c': {} } }],
    [difference(ab, abc), undefined],
    [difference(abc, { 'f:a': { 'f:c': {} } }), ab],
    [difference(ab, undefined), ab],
    [intersection(abc, ab), ab],
    [intersection(abc, { 'f:a': { 'f:c': {} } }), { 'f:a': { 'f:c': {} } }],
    [intersection(ab, { 'f:c': {} }), undefined],
  ];
  for (const [found, wanted] of cases) assert.deepEqual(found, wanted);
});

test('field sets: paths as messages have them', () => {
  const set: FieldSet = {
    'f:spec': {
      'f:ports': { 'k:{"port":80,"protocol":"TCP"}': { '.': {}, 'f:name': {} } },
      'f:names': { 'v:"x"': {} },
    },
  };
  assert.deepEqual(pathsOf(set), [
    '.spec.ports[port=80,protocol="TCP"]',
    '.spec.ports[port=80,protocol="TCP"].name',
    '.spec.names[="x"]',
  ]);
});

test('field sets: only what has their form is one', () => {
  assert.deepEqual(parseFieldSet(abc), abc);
  for (const value of [
    undefined,
    null,
    {},
    [],
    'f:a',
    { a: {} },
    { 'f:a': 1 },
    { 'f:a': { x: {} } },
  ]) {
    assert.equal(parseFieldSet(value), undefined, JSON.stringify(value));
  }
});
