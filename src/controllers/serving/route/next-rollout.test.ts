import assert from 'node:assert/strict';
import { test } from 'node:test';
import { divided } from '#controllers/serving/route/host-shares.ts';
import { nextRollout, type RolloutMoment } from '#controllers/serving/route/next-rollout.ts';
import {
  parseRollout,
  rolloutText,
  type ConfigurationRollout,
} from '#controllers/serving/route/rollout.ts';

const DURATION_MS = 100_000;

type Shares = Readonly<Record<string, number>>;

function rollout(shares: Shares, rest: Partial<ConfigurationRollout> = {}): ConfigurationRollout {
  const revisions = Object.entries(shares).map(([revisionName, percent]) => ({
    revisionName,
    percent,
  }));
  const percent = revisions.reduce((total, share) => total + share.percent, 0);
  return { configurationName: 'hello', tag: '', percent, revisions, ...rest };
}

function next(
  newest: string,
  previous: ConfigurationRollout | undefined,
  { percent = 100, ...moment }: Partial<RolloutMoment> & { readonly percent?: number } = {},
): ConfigurationRollout {
  const share = {
    revisionName: newest,
    configuration: 'hello',
    protocol: 'http1',
    percent,
  } as const;
  return nextRollout({ tag: '', share }, previous, {
    nowMs: 0,
    durationMs: DURATION_MS,
    isServed: true,
    isThere: () => true,
    ...moment,
  });
}

const sharesIn = ({ revisions }: ConfigurationRollout): Shares =>
  Object.fromEntries(revisions.map(({ revisionName, percent }) => [revisionName, percent]));

interface Case {
  readonly title: string;
  readonly newest: string;
  readonly previous?: Shares;
  readonly moment?: Parameters<typeof next>[2];
  readonly expected: Shares;
  /** Whether it is on its way. */
  readonly isGradual?: boolean;
}

const cases: readonly Case[] = [
  { title: 'the first revision gets all at once', newest: 'r1', expected: { r1: 100 } },
  {
    title: 'nothing new changes nothing',
    newest: 'r1',
    previous: { r1: 100 },
    expected: { r1: 100 },
  },
  {
    title: 'without a duration a new one gets all at once',
    newest: 'r2',
    previous: { r1: 100 },
    moment: { durationMs: 0 },
    expected: { r2: 100 },
  },
  {
    title: 'a new one begins with a percent',
    newest: 'r2',
    previous: { r1: 100 },
    expected: { r1: 99, r2: 1 },
    isGradual: true,
  },
  {
    title: 'a newer one takes its percent from the newest before it',
    newest: 'r3',
    previous: { r1: 60, r2: 40 },
    expected: { r1: 60, r2: 39, r3: 1 },
    isGradual: true,
  },
  {
    title: 'one that had a percent and gives it has none',
    newest: 'r3',
    previous: { r1: 99, r2: 1 },
    expected: { r1: 99, r3: 1 },
    isGradual: true,
  },
  {
    title: 'more for the Configuration is the newest one’s',
    newest: 'r2',
    previous: { r1: 30, r2: 20 },
    expected: { r1: 30, r2: 70 },
    isGradual: true,
  },
  {
    title: 'less is taken from the oldest',
    newest: 'r3',
    previous: { r1: 20, r2: 30, r3: 50 },
    moment: { percent: 60 },
    expected: { r2: 10, r3: 50 },
    isGradual: true,
  },
  {
    title: 'a single percent jumps',
    newest: 'r2',
    previous: { r1: 1 },
    moment: { percent: 1 },
    expected: { r2: 1 },
  },
  {
    title: 'what is there no more leaves its share to the newest',
    newest: 'r3',
    previous: { r1: 50, r2: 30, r3: 20 },
    moment: { isThere: (name) => name !== 'r1' },
    expected: { r2: 30, r3: 70 },
    isGradual: true,
  },
  {
    title: 'where nothing of before is there the new one gets all',
    newest: 'r2',
    previous: { r1: 100 },
    moment: { isThere: (name) => name === 'r2' },
    expected: { r2: 100 },
  },
];

for (const { title, newest, previous, moment, expected, isGradual = false } of cases) {
  test(`rollout: ${title}`, () => {
    const found = next(newest, previous && rollout(previous), moment);
    assert.deepEqual(sharesIn(found), expected);
    assert.equal(found.startMs !== undefined, isGradual);
  });
}

test('rollout: goes step by step to its goal, within its duration', () => {
  let state = next('r2', rollout({ r1: 100 }), { nowMs: 0 });
  // The gateway has not taken it yet: no step is planned.
  assert.equal(next('r2', state, { nowMs: 500, isServed: false }).steps, undefined);
  state = next('r2', state, { nowMs: 9_500 });
  // 10 s a step at least, 90 s are left: nine steps of 11 %.
  assert.deepEqual(state.steps, { stepMs: 10_000, stepPercent: 11, nextStepMs: 19_500 });
  assert.deepEqual(next('r2', state, { nowMs: 19_499 }), state);
  const seen = [];
  for (let nowMs = 19_500; state.startMs !== undefined; nowMs += 10_000) {
    state = next('r2', parseRollout(rolloutText([state]))[0], { nowMs });
    seen.push(sharesIn(state)['r2']);
    assert.ok(nowMs <= 100_000 + 9_500, 'too late');
  }
  assert.deepEqual(seen, [12, 23, 34, 45, 56, 67, 78, 89, 100]);
  assert.deepEqual(state, rollout({ r2: 100 }));
});

test('rollout: a second is one also where its beginning has more digits than a number', () => {
  const startMs = 1_700_000_238_706;
  const [known] = parseRollout(rolloutText([rollout({ r1: 60, r2: 40 }, { startMs })]));
  const { steps } = next('r2', known, { nowMs: startMs + 1_000 });
  assert.equal(steps?.stepMs, 1_000);
});

test('rollout: a step takes from the newest of the old ones first', () => {
  const steps = { stepMs: 1_000, stepPercent: 30, nextStepMs: 0 };
  const state = next('r3', rollout({ r1: 60, r2: 20, r3: 20 }, { startMs: 0, steps }));
  assert.deepEqual(sharesIn(state), { r1: 50, r3: 50 });
});

test('rollout: goes on where its goal shrinks below a step', () => {
  const steps = { stepMs: 10_000, stepPercent: 11, nextStepMs: 9_000 };
  const before = rollout({ r1: 99, r2: 1 }, { startMs: 0, steps });
  let state = next('r2', before, { percent: 10, nowMs: 5_000 });
  assert.deepEqual(sharesIn(state), { r1: 9, r2: 1 });
  assert.deepEqual(state.steps, { ...steps, stepPercent: 10 });
  const [read] = parseRollout(rolloutText([state]));
  assert.deepEqual(read, state);
  state = next('r2', read, { percent: 10, nowMs: 9_000 });
  assert.deepEqual(state, rollout({ r2: 10 }));
});

test('rollout: a newer revision begins anew with its times', () => {
  const steps = { stepMs: 1_000, stepPercent: 30, nextStepMs: 9_000 };
  const state = next('r3', rollout({ r1: 60, r2: 40 }, { startMs: 0, steps }), { nowMs: 5_000 });
  assert.deepEqual([state.startMs, state.steps], [5_000, undefined]);
});

test('rollout: what was tampered with counts for nothing', () => {
  const whole = rolloutText([rollout({ r1: 60, r2: 40 }, { startMs: 1_000 })]);
  assert.equal(parseRollout(whole).length, 1);
  assert.equal(parseRollout(whole)[0]?.startMs, 1_000);
  const others = ['', '{', '[]', 'null', '{"configurations":[null]}', whole.replace('60', '61')];
  const tooMuch = rolloutText([rollout({ r1: 60, r2: 60 })]);
  const steps = { stepMs: 1, stepPercent: 101, nextStepMs: 1 };
  const tooFast = rolloutText([rollout({ r1: 60, r2: 40 }, { startMs: 1, steps })]);
  for (const text of [
    tooMuch,
    tooFast,
    ...others,
    whole.replace('"r1"', '7'),
    whole.replace(/"revisions":.*/, ''),
  ]) {
    assert.deepEqual(parseRollout(text), [], text);
  }
});

test('rollout: a part of a share is divided as the whole is', () => {
  const state = rollout({ r1: 33, r2: 67 });
  assert.deepEqual(divided(state, 100), state.revisions);
  assert.deepEqual(divided(state, 50), [
    { revisionName: 'r1', percent: 16 },
    { revisionName: 'r2', percent: 34 },
  ]);
  assert.deepEqual(divided(state, 1), [{ revisionName: 'r2', percent: 1 }]);
});
