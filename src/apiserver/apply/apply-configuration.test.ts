import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasReason } from '#api/meta/api-error.ts';
import {
  array,
  boolean,
  integer,
  map,
  object,
  optional,
  string,
  type Schema,
} from '#api/schema.ts';
import { applyConfiguration, NotApplicable } from '#apiserver/apply/apply-configuration.ts';
import type { FieldSet } from '#apiserver/apply/field-set.ts';
import type { Owner } from '#apiserver/apply/managed-fields.ts';
import type { Fields, Place } from '#apiserver/apply/shape.ts';
import { trackUpdate } from '#apiserver/apply/track-update.ts';

const part = object({
  name: string(),
  size: optional(integer()),
  on: optional(boolean()),
});
const schema: Schema = object({
  spec: optional(
    object({
      count: optional(integer()),
      mode: optional(object({ type: optional(string()), speed: optional(integer()) })),
      labels: optional(map(string())),
      whole: optional(map(string(), { 'x-kubernetes-map-type': 'atomic' })),
      list: optional(array(string())),
      names: optional(array(string(), { 'x-kubernetes-list-type': 'set' })),
      parts: optional(
        array(part, { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] }),
      ),
    }),
  ),
});
const place: Place = { schema, isCore: false };

function owner(manager: string, operation: Owner['operation'], fields?: FieldSet): Owner {
  const now = '2024-01-01T00:00:00Z';
  return { manager, operation, apiVersion: 'v1', subresource: undefined, time: now, fields };
}

interface Outcome {
  readonly spec: unknown;
  readonly owners: Readonly<Record<string, FieldSet | undefined>>;
}

/** Lets managers write one after the other; `!` before a name: by force, `~`: an update with the whole spec. */
function after(...writes: readonly (readonly [manager: string, spec: Fields])[]): Outcome {
  let live: Fields = {};
  let owners: readonly Owner[] = [];
  for (const [who, spec] of writes) {
    const manager = who.replace(/^[!~]/, '');
    if (who.startsWith('~')) {
      const written = { before: live, after: { spec }, by: owner(manager, 'Update') };
      owners = trackUpdate(place, owners, written);
      live = { spec };
    } else {
      ({ object: live, owners } = applyConfiguration(place, owners, {
        live,
        configuration: { spec },
        by: owner(manager, 'Apply'),
        isForced: who.startsWith('!'),
      }));
    }
  }
  const owned = owners.map(({ manager, fields }) => [manager, fields?.['f:spec']] as const);
  return { spec: live['spec'], owners: Object.fromEntries(owned) };
}

test('apply: whoever applies owns what is in the configuration, and nothing else', () => {
  const spec = { count: 1, labels: { a: 'x' }, whole: { a: 'x' }, list: ['x'], names: ['x'] };
  assert.deepEqual(
    after(['a', { ...spec, parts: [{ name: 'p', size: 1 }], mode: {} }]).owners['a'],
    {
      'f:count': {},
      'f:labels': { 'f:a': {} },
      'f:list': {},
      'f:mode': {},
      'f:names': { 'v:"x"': {} },
      'f:parts': { 'k:{"name":"p"}': { '.': {}, 'f:name': {}, 'f:size': {} } },
      'f:whole': {},
    },
  );
});

test('apply: what is no longer applied goes, unless another applies it', () => {
  const mine = { labels: { a: '1', b: '2' }, parts: [{ name: 'p', size: 1 }, { name: 'q' }] };
  assert.deepEqual(after(['a', mine], ['a', { labels: { a: '1' } }]).spec, { labels: { a: '1' } });
  const shared = after(
    ['a', mine],
    ['b', { labels: { b: '2' }, parts: [{ name: 'p' }] }],
    ['a', { labels: { a: '1' } }],
  );
  assert.deepEqual(shared.spec, { labels: { a: '1', b: '2' }, parts: [{ name: 'p' }] });
  assert.deepEqual(shared.owners['a'], { 'f:labels': { 'f:a': {} } });
  assert.deepEqual(after(['a', { count: 1 }], ['a', {}]).spec, undefined);
});

test('apply: what others have updated stays where they own it', () => {
  const { spec, owners } = after(
    ['a', { count: 1, labels: { a: '1' } }],
    ['~b', { count: 1, labels: { a: '1', b: '2' }, names: ['x'] }],
    ['a', { count: 1 }],
  );
  assert.deepEqual(spec, { count: 1, labels: { b: '2' }, names: ['x'] });
  assert.deepEqual(owners['b'], {
    'f:labels': { 'f:b': {} },
    'f:names': { '.': {}, 'v:"x"': {} },
  });
});

test('apply: lists keep the order of the configuration, and others their places', () => {
  const parts = (names: string): Fields => ({ parts: Array.from(names, (name) => ({ name })) });
  const orders: readonly [before: string, applied: string, wanted: string][] = [
    ['ab', 'ba', 'ba'],
    ['ab', 'cb', 'acb'],
    ['ab', 'c', 'abc'],
    ['abc', 'ca', 'bca'],
  ];
  for (const [before, applied, wanted] of orders) {
    const { spec } = after(['~x', parts(before)], ['y', parts(applied)]);
    assert.deepEqual(spec, parts(wanted), `${before} and ${applied}`);
  }
});

test('apply: a conflict names the owner and the fields; force takes them', () => {
  const writes = [
    ['a', { count: 1, parts: [{ name: 'p', size: 1 }] }],
    ['~b', { count: 2, parts: [{ name: 'p', size: 1 }] }],
  ] as const;
  assert.throws(
    () => after(...writes, ['c', { count: 3 }]),
    (error) => {
      assert.ok(hasReason(error, 'Conflict'));
      const message = 'Apply failed with 1 conflict: conflict with "b" using v1: .spec.count';
      assert.equal(error.message, message);
      assert.deepEqual(error.details.causes, [
        {
          reason: 'FieldManagerConflict',
          message: 'conflict with "b" using v1',
          path: '.spec.count',
        },
      ]);
      return true;
    },
  );
  assert.throws(
    () => after(...writes, ['c', { count: 3, parts: [{ name: 'p', size: 2 }] }]),
    /^ApiError: Apply failed with 2 conflicts: conflicts with "a":\n- .spec.parts\[name="p"\].size\nconflicts with "b" using v1:\n- .spec.count$/,
  );
  const forced = after(...writes, ['!c', { count: 3 }]);
  assert.deepEqual(forced.owners['c'], { 'f:count': {} });
  assert.equal(forced.owners['b'], undefined);
  assert.doesNotThrow(() => after(...writes, ['c', { count: 2 }]), 'the same value is shared');
});

test('apply: an update owns what it changes, and what it removes is nobody’s', () => {
  const { owners } = after(
    ['a', { count: 1, labels: { a: '1' }, mode: { type: 'x' } }],
    ['~b', { count: 2, mode: { type: 'x', speed: 1 } }],
  );
  assert.deepEqual(owners, {
    a: { 'f:mode': { 'f:type': {} } },
    b: { 'f:count': {}, 'f:mode': { 'f:speed': {} } },
  });
});

test('apply: what was there before anybody applied has an owner too', () => {
  const applied = applyConfiguration(place, [], {
    live: { spec: { count: 1 } },
    configuration: { spec: { list: ['x'] } },
    by: owner('a', 'Apply'),
    isForced: false,
  });
  assert.deepEqual(
    applied.owners.map(({ manager, operation }) => `${operation} ${manager}`),
    ['Update before-first-apply', 'Apply a'],
  );
});

test('apply: what no object can have is refused by its path', () => {
  const cases: readonly [spec: Fields, message: string][] = [
    [{ other: 1 }, '.spec.other: field not declared in schema'],
    [
      { parts: [{ name: 'p' }, { name: 'p' }] },
      '.spec.parts: duplicate entries for key [name="p"]',
    ],
    [
      { parts: [{ size: 1 }] },
      '.spec.parts: element 0: associative list with keys has an element that omits all key fields',
    ],
    [
      { parts: [{ name: 'p', on: 1 }] },
      '.spec.parts[name="p"].on: expected boolean, got &value.valueUnstructured{Value:1}',
    ],
  ];
  for (const [spec, message] of cases) {
    assert.throws(
      () => after(['a', spec]),
      (error) => error instanceof NotApplicable && error.message === message,
      message,
    );
  }
});
