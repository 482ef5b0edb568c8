import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coldStartStages, type ColdStart } from '#base/cold-start.ts';
import { timelineOf } from './cold-start-stages.ts';

const coldStart: ColdStart = {
  namespace: 'default',
  revision: 'hello-00001',
  pod: 'hello-00001-a',
  arrivedMs: 102,
  heardMs: 103,
  begunMs: 103,
  startedMs: 105,
  admittedMs: 135,
  answeredMs: 138,
};
const call = { startMs: 100, endMs: 140 };

test('the stages of a cold start follow each other from the call to its answer', () => {
  const stages = coldStartStages(call, coldStart);
  assert.deepEqual(
    stages.map(({ name, fromMs, tookMs }) => [name, fromMs, tookMs]),
    [
      ['request', 0, 2],
      ['demand', 2, 1],
      ['decision', 3, 0],
      ['start', 3, 2],
      ['program', 5, 30],
      ['answer', 35, 3],
      ['response', 38, 2],
    ],
  );
});

test('a moment that nobody measured makes one stage of two', () => {
  const { heardMs: _, begunMs: __, startedMs: ___, ...known } = coldStart;
  const stages = coldStartStages(call, known);
  assert.deepEqual(
    stages.map(({ name, tookMs }) => [name, tookMs]),
    [
      ['request', 2],
      ['program', 33],
      ['answer', 3],
      ['response', 2],
    ],
  );
});

test('a moment that was noted late takes nothing from the whole', () => {
  const stages = coldStartStages(call, { ...coldStart, startedMs: 137 });
  const sum = stages.reduce((total, { tookMs }) => total + tookMs, 0);
  assert.equal(sum, 40);
  assert.ok(stages.every(({ tookMs }) => tookMs >= 0));
});

test('the picture has a bar for each stage where it was', () => {
  const bars = timelineOf(coldStartStages(call, coldStart)).map((line) => line.slice(12, 52));
  assert.deepEqual(bars, [
    '██                                      ',
    '  █                                     ',
    '   ▏                                    ',
    '   ██                                   ',
    '     ██████████████████████████████     ',
    '                                   ███  ',
    '                                      ██',
  ]);
});
