import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Conditions, isFailed, isReady, type Condition } from '#api/meta/conditions.ts';

const set = { happy: 'Ready', dependents: ['A', 'B'] };
const before = '2026-01-01T00:00:00Z';
const now = new Date('2026-01-01T00:01:00.900Z');

/** `Ready=True A=False:Reason:words` */
function parse(text: string): Condition[] {
  return text
    .split(' ')
    .filter(Boolean)
    .map((part) => {
      const [type = '', rest = ''] = part.split('=');
      const [status, reason, message] = rest.split(':');
      return {
        type,
        status: status === 'True' || status === 'False' ? status : 'Unknown',
        lastTransitionTime: before,
        ...(reason && { reason }),
        ...(message && { message }),
      };
    });
}

function render(conditions: readonly Condition[]): string {
  return conditions
    .map(({ type, status, reason, message }) =>
      [`${type}=${status}`, reason, message].filter(Boolean).join(':'),
    )
    .join(' ');
}

const steps: Record<string, (conditions: Conditions) => void> = {
  nothing: () => undefined,
  'A true': (conditions) => conditions.markTrue('A'),
  'B true': (conditions) => conditions.markTrue('B'),
  'B true with reason': (conditions) => conditions.markTrue('B', 'Why', 'because'),
  'A false': (conditions) => conditions.markFalse('A', 'Bad', 'a'),
  'B false': (conditions) => conditions.markFalse('B', 'Worse', 'b'),
  'A unknown': (conditions) => conditions.markUnknown('A', 'Wait', 'a'),
  'B unknown': (conditions) => conditions.markUnknown('B', 'Wait', 'b'),
  'C false': (conditions) => conditions.markFalse('C', 'Info', 'c'),
  'C true': (conditions) => conditions.markTrue('C'),
  'C unknown': (conditions) => conditions.markUnknown('C', 'Info', 'c'),
  'D true': (conditions) => conditions.markTrue('D'),
};

for (const [previous, doing, expected] of [
  ['', ['nothing'], 'A=Unknown B=Unknown Ready=Unknown'],
  ['Ready=True', ['nothing'], 'A=True B=True Ready=True'],
  ['', ['A true'], 'A=True B=Unknown Ready=Unknown'],
  ['', ['A true', 'B true'], 'A=True B=True Ready=True'],
  ['', ['A true', 'B true with reason'], 'A=True B=True:Why:because Ready=True'],
  ['Ready=True', ['A false'], 'A=False:Bad:a B=True Ready=False:Bad:a'],
  ['Ready=True', ['A unknown'], 'A=Unknown:Wait:a B=True Ready=Unknown:Wait:a'],
  ['', ['B false', 'A unknown'], 'A=Unknown:Wait:a B=False:Worse:b Ready=False:Worse:b'],
  // A Ready that is not False although a dependent is takes the words of the call, not those of the dependent.
  ['Ready=True A=True B=False', ['A unknown'], 'A=Unknown:Wait:a B=False Ready=False:Wait:a'],
  ['', ['A unknown', 'B false', 'A true'], 'A=True B=False:Worse:b Ready=False:Worse:b'],
  ['', ['B false', 'B true'], 'A=Unknown B=True Ready=Unknown'],
  // What was said last in a pass says why, whichever stands first.
  [
    'A=True B=True C=True',
    ['B unknown', 'A unknown', 'C true'],
    'A=Unknown:Wait:a B=Unknown:Wait:b C=True Ready=Unknown:Wait:a',
  ],
  [
    'A=True B=True C=True',
    ['A unknown', 'B unknown', 'C true'],
    'A=Unknown:Wait:a B=Unknown:Wait:b C=True Ready=Unknown:Wait:b',
  ],
  // Of what was said at one time before, the first by name.
  [
    'A=False:Bad:a B=False:Worse:b',
    ['D true'],
    'A=False:Bad:a B=False:Worse:b D=True Ready=False:Bad:a',
  ],
  // Information says nothing of its own, but the others are looked at again.
  ['A=True B=True Ready=Unknown:Old:words', ['C true'], 'A=True B=True C=True Ready=True'],
  [
    'A=False B=True Ready=True',
    ['C unknown'],
    'A=False B=True C=Unknown:Info:c Ready=False:Info:c',
  ],
  ['Ready=True', ['C false'], 'A=True B=True C=False:Info:c Ready=True'],
  [
    'Ready=Unknown A=Unknown:Wait:a B=False:Worse:b',
    ['A true'],
    'A=True B=False:Worse:b Ready=False:Worse:b',
  ],
] as const) {
  test(`conditions: ${previous || 'none'}, then ${doing.join(', ')}`, () => {
    const conditions = new Conditions({ set, previous: parse(previous), now });
    for (const step of doing) steps[step]?.(conditions);
    assert.equal(render(conditions.list()), expected);
  });
}

test('conditions: the transition time moves only with the content', () => {
  const previous = parse('Ready=True A=True B=True');
  const conditions = new Conditions({ set, previous, now });
  conditions.markFalse('A', 'Bad');
  conditions.markTrue('A');
  assert.deepEqual(
    conditions.list().map((condition) => condition.lastTransitionTime),
    [before, before, before],
  );
  conditions.markUnknown('B', 'Wait');
  assert.deepEqual(
    conditions.list().map(({ type, lastTransitionTime }) => [type, lastTransitionTime]),
    [
      ['A', before],
      ['B', '2026-01-01T00:01:00Z'],
      ['Ready', '2026-01-01T00:01:00Z'],
    ],
  );
});

test('conditions: what is neither happy nor a dependent is information', () => {
  const conditions = new Conditions({ set, previous: [], now });
  conditions.markTrue('C');
  assert.equal(conditions.list().find(({ type }) => type === 'C')?.severity, 'Info');
});

test('conditions: a status about an older generation is neither ready nor failed', () => {
  const object = (observedGeneration: number, status: string): Parameters<typeof isReady>[0] => ({
    metadata: { generation: 2 },
    status: { observedGeneration, conditions: parse(`Ready=${status}`) },
  });
  assert.equal(isReady(object(2, 'True')), true);
  assert.equal(isReady(object(1, 'True')), false);
  assert.equal(isFailed(object(2, 'False')), true);
  assert.equal(isFailed(object(1, 'False')), false);
});
