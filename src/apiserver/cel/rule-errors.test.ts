import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Schema } from '#api/schema.ts';
import { ruleErrors } from '#apiserver/cel/rule-errors.ts';

const string: Schema = { type: 'string' };
const rules: Schema['x-kubernetes-validations'] = [
  {
    rule: '!has(self.a) || !has(self.b) || self.a < self.b',
    message: 'a below b',
    reason: 'FieldValueForbidden',
    fieldPath: '.a',
  },
  { rule: 'self.a > 0', messageExpression: "'a is ' + string(self.a)" },
  { rule: 'has(self.a) || self.b > 1' },
  { rule: 'self.a != 7', message: 'dup', reason: 'FieldValueDuplicate' },
  { rule: 'self.a != 8', message: 'req', reason: 'FieldValueRequired' },
];
const spec: Schema = {
  type: 'object',
  'x-kubernetes-validations': rules,
  properties: {
    a: { type: 'integer' },
    b: { type: 'integer' },
    i: {
      type: 'string',
      'x-kubernetes-validations': [{ rule: 'self == oldSelf', message: 'is immutable' }],
    },
    l: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          n: string,
          v: {
            type: 'string',
            'x-kubernetes-validations': [{ rule: "self.startsWith('x')" }],
          },
        },
      },
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['n'],
    },
  },
};
const schema: Schema = { type: 'object', properties: { spec } };

function messages(value: unknown, previous?: unknown): string[] {
  const before = previous === undefined ? undefined : { spec: previous };
  const errors = ruleErrors(schema, { spec: value }, { previous: before, path: '' });
  return errors.map(({ path, message }) => `${path}: ${message}`);
}

test('rules: speak as kube-apiserver 1.34 does', () => {
  assert.deepEqual(messages({ a: 1, b: 2 }), []);
  assert.deepEqual(messages({ a: 3, b: 2 }), ['spec.a: Forbidden: a below b']);
  assert.deepEqual(messages({ a: -1 }), ['spec: Invalid value: "object": a is -1']);
  assert.deepEqual(messages({ b: 1 }), [
    'spec: Invalid value: "object": no such key: a evaluating rule: self.a > 0',
    'spec: Invalid value: "object": failed rule: has(self.a) || self.b > 1',
    'spec: Invalid value: "object": no such key: a evaluating rule: dup',
    'spec: Invalid value: "object": no such key: a evaluating rule: req',
  ]);
  assert.deepEqual(messages({ a: 7 }), ['spec: Duplicate value: "object"']);
  assert.deepEqual(messages({ a: 8 }), ['spec: Required value: req']);
  assert.deepEqual(messages({ a: 1, l: [{ n: 'a', v: 'y' }] }), [
    `spec.l[0].v: Invalid value: "string": failed rule: self.startsWith('x')`,
  ]);
});

test('rules: those about a change need what was before', () => {
  assert.deepEqual(messages({ a: 1, i: 'z' }), []);
  assert.deepEqual(messages({ a: 1, i: 'z' }, { a: 1, i: 'z' }), []);
  assert.deepEqual(messages({ a: 1, i: 'z' }, { a: 1, i: 'q' }), [
    'spec.i: Invalid value: "string": is immutable',
  ]);
});

/** What is said of a value by one rule. */
function saidOf(
  own: Schema,
  { rule, value, previous }: { rule: string; value: unknown; previous?: unknown },
): string {
  const ruled = { ...own, 'x-kubernetes-validations': [{ rule }] };
  return ruleErrors(ruled, value, { previous, path: 'x' })
    .map(({ message }) => message)
    .join();
}

test('rules: those that go over too much are ended soon', (context) => {
  const list: Schema = { type: 'array', items: { type: 'integer' } };
  const numbers = (length: number): number[] => Array.from({ length }, (_, index) => index);
  const all = 'self.all(a, self.all(b, self.all(c, a + b + c >= 0)))';
  assert.equal(saidOf(list, { rule: all, value: numbers(10) }), '');
  const literal = `[${numbers(100).join()}]`;
  const texts = { type: 'string' } as const;
  const long = 'a'.repeat(1_000_000);
  const hostile: [string, Schema, unknown, string][] = [
    ['loops', list, numbers(300), all],
    [
      'loops over literals',
      list,
      [],
      `${literal}.all(a, ${literal}.all(b, ${literal}.all(c, a + b + c >= 0)))`,
    ],
    ['comparisons', list, numbers(10_000), 'self.all(a, self == self && a in self)'],
    ['concatenation', texts, long, `(${'self + '.repeat(200)} self).size() > 0`],
    ['backtracking', texts, long, "self.matches('(a+)+$') && self.matches('^(a?){500}b{500}$')"],
    [
      'searching',
      list,
      numbers(10_000),
      `self.all(a, ${JSON.stringify(long.slice(0, 9000))}.contains(string(a)) || true)`,
    ],
    ['functions of lists', list, numbers(10_000), 'self.all(a, self.sum() + self.max() >= 0)'],
    ['split', texts, long, "self.split('').all(a, self.split('').size() > 0)"],
  ];
  for (const [name, own, value, rule] of hostile) {
    const start = performance.now();
    const said = saidOf(own, { rule, value });
    context.diagnostic(`${name}: ${Math.round(performance.now() - start)} ms`);
    assert.match(said, /actual cost limit exceeded/, name);
  }
});

test('rules: those about one object have a budget together', () => {
  const rule = { rule: 'self.all(a, self.all(b, true))' };
  const own: Schema = {
    type: 'array',
    items: { type: 'integer' },
    'x-kubernetes-validations': Array.from({ length: 100 }, () => rule),
  };
  const value = Array.from({ length: 120 }, () => 1);
  const errors = ruleErrors(own, value, { previous: undefined, path: 'x' });
  assert.match(errors.at(-1)?.message ?? '', /running out of cost budget/);
  assert.ok(errors.length < 10, `${errors.length} errors`);
});

test('rules: one that asks for it also sees what is new', () => {
  const own: Schema = {
    type: 'string',
    'x-kubernetes-validations': [
      {
        rule: "oldSelf.hasValue() ? self != oldSelf.value() : self == 'first'",
        optionalOldSelf: true,
        message: 'no',
      },
      { rule: "oldSelf.orValue('') != 'last'", optionalOldSelf: true, message: 'was last' },
    ],
  };
  const said = (value: string, previous?: string): string =>
    ruleErrors(own, value, { previous, path: 'x' })
      .map(({ message }) => message)
      .join();
  assert.equal(said('first'), '');
  assert.match(said('second'), /no/);
  assert.equal(said('second', 'first'), '');
  assert.match(said('x', 'last'), /was last/);
});

test('rules: lists, escaped names and times', () => {
  const check = (rule: string, expected: boolean): void => {
    const own: Schema = {
      type: 'object',
      properties: {
        l: { type: 'array', items: { type: 'integer' } },
        'a-b': string,
        at: { type: 'string', format: 'date-time' },
      },
      'x-kubernetes-validations': [{ rule }],
    };
    const value = { l: [3, 1, 2], 'a-b': 'x', at: '2026-01-02T03:04:05Z' };
    const found = ruleErrors(own, value, { previous: undefined, path: 'x' });
    assert.equal(found.length === 0, expected, `${rule}: ${found[0]?.message}`);
  };
  check('self.l.sum() == 6 && self.l.max() == 3 && self.l.min() == 1', true);
  check('self.l.isSorted()', false);
  check('self.l.indexOf(1) == 1', true);
  check("self.a__dash__b == 'x'", true);
  check("self.at > timestamp('2025-01-01T00:00:00Z')", true);
  check("'abc'.matches('^a.c$') && 'a,b'.split(',').size() == 2", true);
});
