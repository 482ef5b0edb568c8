import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterUnderTest } from '#test/support/cluster-under-test.ts';
import { define } from '#test/support/custom-kind.ts';
import { at, type WireReply } from '#test/support/wire.ts';

const MERGE = { headers: { 'content-type': 'application/merge-patch+json' } };
const APPLY = { headers: { 'content-type': 'application/apply-patch+yaml' } };
/** Of rules that rely on the shape. */
const NOT_RUN =
  '<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation';

const SPEC = {
  type: 'object',
  required: ['size'],
  properties: {
    size: { type: 'integer', minimum: 1, maximum: 10 },
    color: { type: 'string', enum: ['red', 'blue'], default: 'red' },
    name: { type: 'string', maxLength: 5, pattern: '^[a-z]+$' },
    port: { 'x-kubernetes-int-or-string': true },
    tags: {
      type: 'array',
      maxItems: 2,
      items: { type: 'string' },
      'x-kubernetes-list-type': 'set',
    },
    rows: {
      type: 'array',
      items: {
        type: 'object',
        required: ['k'],
        properties: { k: { type: 'string' }, v: { type: 'string', default: 'dv' } },
      },
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['k'],
    },
    any: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
    map: { type: 'object', additionalProperties: { type: 'integer' } },
    whole: {
      type: 'object',
      'x-kubernetes-embedded-resource': true,
      'x-kubernetes-preserve-unknown-fields': true,
    },
    when: { type: 'string', format: 'date-time' },
    none: { type: 'string', nullable: true },
    range: {
      type: 'object',
      properties: { min: { type: 'integer' }, max: { type: 'integer' } },
      'x-kubernetes-validations': [
        {
          rule: 'self.min <= self.max',
          messageExpression: '"min is " + (self.min > 2 ? "big" : "small")',
          fieldPath: '.min',
          reason: 'FieldValueForbidden',
        },
      ],
    },
    replicas: { type: 'integer' },
  },
};

/** Things of this schema, and what writes of one answer. */
async function withThings(version: object = {}) {
  const cluster = await clusterUnderTest();
  const { group, target, definition } = await define(cluster, SPEC, version);
  const thing = (name: string, spec: unknown): object => ({
    apiVersion: `${group}/v1`,
    kind: 'Thing',
    metadata: { name },
    spec,
  });
  return {
    ...cluster,
    group,
    target,
    definition,
    thing,
    create: (name: string, spec: unknown, query = ''): Promise<WireReply> =>
      cluster.send('POST', `${target}${query}`, thing(name, spec)),
  };
}

test('custom schemas: fill in, prune, and keep what they say is kept', async () => {
  const { create, group } = await withThings();
  const whole = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'x', odd: 1 },
    spec: { any: 1 },
  };
  const { status, headers, body } = await create('a', {
    size: 1,
    unknown: 1,
    any: { x: { y: 1 } },
    rows: [{ k: 'q', w: 1 }],
    none: null,
    color: null,
    whole,
  });
  assert.equal(status, 201, JSON.stringify(body));
  assert.deepEqual(at(body, 'spec'), {
    size: 1,
    any: { x: { y: 1 } },
    rows: [{ k: 'q', v: 'dv' }],
    none: null,
    color: 'red',
    whole: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'x' }, spec: { any: 1 } },
  });
  for (const field of ['spec.rows[0].w', 'spec.unknown']) {
    assert.ok(
      headers['warning']?.includes(`unknown field \\"${field}\\"`),
      headers['warning'] ?? 'no warning',
    );
  }
  const strict = await create(
    'b',
    { size: 1, unknown: 1, rows: [{ k: 'a', w: 1 }] },
    '?fieldValidation=Strict',
  );
  assert.equal(strict.status, 400);
  assert.equal(
    at(strict.body, 'message'),
    'Thing in version "v1" cannot be handled as a Thing: strict decoding error: unknown field "spec.rows[0].w", unknown field "spec.unknown"',
  );
  const silent = await create('b', { size: 1, unknown: 1 }, '?fieldValidation=Ignore');
  assert.equal(silent.status, 201);
  assert.equal(silent.headers['warning'], undefined);
  assert.equal(at(silent.body, 'apiVersion'), `${group}/v1`);
});

test('custom schemas: what does not fit is refused by its path', async () => {
  const { create, group } = await withThings();
  const name = 'Invalid value: "ABC": spec.name in body should match \'^[a-z]+$\'';
  const cases: readonly [spec: unknown, reason: string, path: string, message: string][] = [
    [undefined, 'Required', 'spec.size', 'Required value'],
    [{}, 'Required', 'spec.size', 'Required value'],
    [{ size: null }, 'Required', 'spec.size', 'Required value'],
    [
      { size: 0 },
      'Invalid',
      'spec.size',
      'Invalid value: 0: spec.size in body should be greater than or equal to 1',
    ],
    [
      { size: 11 },
      'Invalid',
      'spec.size',
      'Invalid value: 11: spec.size in body should be less than or equal to 10',
    ],
    [
      { size: 'x' },
      'TypeInvalid',
      'spec.size',
      'Invalid value: "string": spec.size in body must be of type integer: "string"',
    ],
    [
      { size: 1.5 },
      'TypeInvalid',
      'spec.size',
      'Invalid value: "number": spec.size in body must be of type integer: "number"',
    ],
    [
      { size: 1, color: 'green' },
      'NotSupported',
      'spec.color',
      'Unsupported value: "green": supported values: "red", "blue"',
    ],
    [{ size: 1, name: 'ABC' }, 'Invalid', 'spec.name', name],
    [
      { size: 1, name: 'abcdefg' },
      'TooLong',
      'spec.name',
      'Too long: may not be more than 5 bytes',
    ],
    [
      { size: 1, port: true },
      'TypeInvalid',
      'spec.port',
      'Invalid value: "boolean": spec.port in body must be of type integer,string: "boolean"',
    ],
    [{ size: 1, tags: ['a', 'a'] }, 'Duplicate', 'spec.tags[1]', 'Duplicate value: "a"'],
    [
      { size: 1, tags: ['a', 'b', 'c'] },
      'TooMany',
      'spec.tags',
      'Too many: 3: must have at most 2 items',
    ],
    [
      { size: 1, tags: [1] },
      'TypeInvalid',
      'spec.tags[0]',
      'Invalid value: "integer": spec.tags[0] in body must be of type string: "integer"',
    ],
    [
      { size: 1, rows: [{ k: 'a' }, { k: 'a' }] },
      'Duplicate',
      'spec.rows[1]',
      'Duplicate value: {"k":"a"}',
    ],
    [{ size: 1, rows: [{}] }, 'Required', 'spec.rows[0].k', 'Required value'],
    [
      { size: 1, map: { a: 'x' } },
      'TypeInvalid',
      'spec.map.a',
      'Invalid value: "string": spec.map.a in body must be of type integer: "string"',
    ],
    [
      { size: 1, when: 'soon' },
      'TypeInvalid',
      'spec.when',
      'Invalid value: "soon": spec.when in body must be of type date-time: "soon"',
    ],
    [
      { size: 1, range: { min: 3, max: 1 } },
      'Forbidden',
      'spec.range.min',
      'Forbidden: min is big',
    ],
  ];
  const endsRules = ['Required', 'TypeInvalid', 'NotSupported', 'TooLong', 'TooMany'];
  for (const [spec, reason, field, message] of cases) {
    const reply = await create('x', spec ?? {}, '?dryRun=All');
    assert.equal(reply.status, 422, JSON.stringify([spec, reply.body]));
    assert.deepEqual(at(reply.body, 'details.causes.0'), {
      reason: `FieldValue${reason}`,
      message,
      field,
    });
    const text = `${field}: ${message}`;
    const told = endsRules.includes(reason) ? `[${text}, ${NOT_RUN}]` : text;
    assert.equal(at(reply.body, 'message'), `Thing.${group} "x" is invalid: ${told}`);
  }
  // What is wrong with a value's size does not keep rules from being run.
  const both = await create('x', { size: 0, range: { min: 3, max: 1 } });
  const causes = at(both.body, 'details.causes') as { field: string }[];
  assert.deepEqual(
    causes.map(({ field }) => field),
    ['spec.size', 'spec.range.min'],
  );
});

test('custom schemas: status and scale are written apart', async () => {
  const scale = {
    specReplicasPath: '.spec.replicas',
    statusReplicasPath: '.status.replicas',
    labelSelectorPath: '.status.selector',
  };
  const { create, send, target, group } = await withThings({ subresources: { status: {}, scale } });
  const made = await create('a', { size: 1, replicas: 3 });
  assert.equal(at(made.body, 'metadata.generation'), 1);
  const wish = { spec: { size: 5 }, status: { replicas: 2, selector: 'a=b' } };
  const status = await send('PATCH', `${target}/a/status`, wish, MERGE);
  assert.equal(at(status.body, 'spec.size'), 1);
  assert.equal(at(status.body, 'status.replicas'), 2);
  assert.equal(at(status.body, 'metadata.generation'), 1);
  const main = await send(
    'PATCH',
    `${target}/a`,
    { spec: { size: 2 }, status: { replicas: 9 } },
    MERGE,
  );
  assert.equal(at(main.body, 'spec.size'), 2);
  assert.equal(at(main.body, 'status.replicas'), 2);
  assert.equal(at(main.body, 'metadata.generation'), 2);
  const scaled = await send('PATCH', `${target}/a/scale`, { spec: { replicas: 4 } }, MERGE);
  assert.equal(at(scaled.body, 'kind'), 'Scale');
  assert.deepEqual(at(scaled.body, 'spec'), { replicas: 4 });
  assert.deepEqual(at(scaled.body, 'status'), { replicas: 2, selector: 'a=b' });
  assert.equal(at((await send('GET', `${target}/a`)).body, 'spec.replicas'), 4);
  const negative = { spec: { replicas: -1 } };
  const refused = await send('PATCH', `${target}/a/scale`, negative, MERGE);
  assert.equal(
    at(refused.body, 'message'),
    `Thing.${group} "a" is invalid: .spec.replicas: Invalid value: -1: should be a non-negative integer`,
  );
});

test('custom schemas: columns and selectable fields', async () => {
  const { create, send, target } = await withThings({
    additionalPrinterColumns: [
      { name: 'Size', type: 'integer', jsonPath: '.spec.size' },
      { name: 'Color', type: 'string', jsonPath: '.spec.color', priority: 1 },
    ],
    selectableFields: [{ jsonPath: '.spec.color' }],
  });
  await create('a', { size: 3 });
  await create('b', { size: 4, color: 'blue' });
  const accept = 'application/json;as=Table;g=meta.k8s.io;v=v1';
  const { body } = await send('GET', `${target}?fieldSelector=spec.color%3Dblue`, undefined, {
    headers: { accept },
  });
  const columns = at(body, 'columnDefinitions') as { name: string; priority: number }[];
  assert.deepEqual(
    columns.map(({ name, priority }) => [name, priority]),
    [
      ['Name', 0],
      ['Size', 0],
      ['Color', 1],
    ],
  );
  const rows = at(body, 'rows') as { cells: unknown[] }[];
  assert.deepEqual(
    rows.map(({ cells }) => cells),
    [['b', 4, 'blue']],
  );
  const other = await send('GET', `${target}?fieldSelector=spec.size%3D3`);
  assert.equal(at(other.body, 'message'), 'field label not supported: spec.size');
});

test('custom schemas: apply owns sets by value and lists by their keys', async () => {
  const { send, target, thing } = await withThings();
  const apply = (manager: string, spec: object, query = ''): Promise<WireReply> =>
    send('PATCH', `${target}/a?fieldManager=${manager}${query}`, thing('a', spec), APPLY);
  assert.equal((await apply('m', { size: 1, rows: [{ k: 'a' }], tags: ['x'] })).status, 201);
  const conflict = await apply('n', { size: 2 });
  assert.equal(conflict.status, 409);
  assert.equal(
    at(conflict.body, 'message'),
    'Apply failed with 1 conflict: conflict with "m": .spec.size',
  );
  const { body } = await apply('n', { rows: [{ k: 'b', v: '1' }], tags: ['y'] });
  assert.deepEqual(at(body, 'spec.rows'), [
    { k: 'a', v: 'dv' },
    { k: 'b', v: '1' },
  ]);
  assert.deepEqual(at(body, 'spec.tags'), ['x', 'y']);
  const left = await apply('m', { size: 1 });
  assert.deepEqual(at(left.body, 'spec.rows'), [{ k: 'b', v: '1' }]);
  assert.deepEqual(at(left.body, 'spec.tags'), ['y']);
  const strategic = { headers: { 'content-type': 'application/strategic-merge-patch+json' } };
  assert.equal((await send('PATCH', `${target}/a`, { spec: { size: 3 } }, strategic)).status, 415);
});
