import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSchedule, type Schedule } from '#api/batch-v1/schedule.ts';

function parsed(text: string, timeZone?: string): Schedule {
  const schedule = parseSchedule(text, timeZone);
  if ('problem' in schedule) assert.fail(schedule.problem);
  return schedule;
}

test('schedule: when it is due next', () => {
  const check = (text: string, after: string, expected: string, timeZone?: string): void => {
    const next = parsed(text, timeZone).next(new Date(after));
    assert.equal(next?.toISOString().replace('.000', ''), expected, text);
  };
  check('*/5 * * * *', '2026-01-05T00:05:00Z', '2026-01-05T00:10:00Z');
  check('0 0 1-5/2 jan-mar sun', '2026-01-01T00:00:00Z', '2026-01-03T00:00:00Z');
  check('@daily', '2026-01-05T00:05:00Z', '2026-01-06T00:00:00Z');
  check('@every 90s', '2026-01-05T00:05:00Z', '2026-01-05T00:06:30Z');
  check('30 9 * * *', '2026-07-01T00:00:00Z', '2026-07-01T07:30:00Z', 'Europe/Berlin');
  check('30 9 * * *', '2026-01-01T00:00:00Z', '2026-01-01T08:30:00Z', 'Europe/Berlin');
  assert.equal(parsed('0 0 31 2 *').next(new Date('2026-01-01T00:00:00Z')), undefined);
});

test('schedule: the last time that has come', () => {
  const check = (text: string, from: string, until: string, expected?: string): void => {
    const last = parsed(text).last(new Date(from), new Date(until));
    assert.equal(last?.toISOString().replace('.000', ''), expected, `${text} ${until}`);
  };
  check('*/5 * * * *', '2026-01-05T00:00:00Z', '2026-01-05T00:12:07Z', '2026-01-05T00:10:00Z');
  check('*/5 * * * *', '2026-01-05T00:00:00Z', '2026-01-05T00:10:00Z', '2026-01-05T00:10:00Z');
  check('*/5 * * * *', '2026-01-05T00:00:00Z', '2026-01-05T00:04:59Z');
  check('@every 1m', '2026-01-05T00:00:30Z', '2026-01-05T00:03:00Z', '2026-01-05T00:02:30Z');
  check('@every 1m', '2026-01-05T00:00:30Z', '2026-01-05T00:01:00Z');
});

test('schedule: what Kubernetes refuses, in its words', () => {
  const check = (text: string, problem: string): void =>
    assert.deepEqual(parseSchedule(text), { problem });
  check('61 * * * *', 'end of range (61) above maximum (59): 61');
  check('5-1 * * * *', 'beginning of range (5) beyond end of range (1): 5-1');
  check('*/0 * * * *', 'step of range should be a positive number: */0');
  check('0 0 0 * *', 'beginning of range (0) below minimum (1): 0');
  check('0 0 * * 7', 'end of range (7) above maximum (6): 7');
  check('* * * *', 'expected exactly 5 fields, found 4: [* * * *]');
  check('@weird', 'unrecognized descriptor: @weird');
  check('@every x', 'failed to parse duration @every x: time: invalid duration "x"');
  check('0 0 L * *', 'failed to parse int from L: strconv.Atoi: parsing "L": invalid syntax');
});
