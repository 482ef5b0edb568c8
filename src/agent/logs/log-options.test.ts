import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '#base/fake-clock.ts';
import { parseLogOptions } from '#agent/logs/log-options.ts';

const clock = new FakeClock();

function parse(query: string): ReturnType<typeof parseLogOptions> {
  return parseLogOptions('p', new URLSearchParams(query), clock);
}

test('log options: what is not asked for', () => {
  assert.deepEqual(parse(''), {
    container: '',
    follow: false,
    previous: false,
    timestamps: false,
    tailLines: undefined,
    since: '',
    limitBytes: Infinity,
  });
});

test('log options: a flag is on unless it says no', () => {
  const seen = ['true', '1', 'yes', '', 'false', 'False', '0'].map(
    (word) => parse(`follow=${word}`).follow,
  );
  assert.deepEqual(seen, [true, true, true, true, false, false, false]);
});

test('log options: times become what logs are compared with', () => {
  const since = (time: string): string => parse(`sinceTime=${encodeURIComponent(time)}`).since;
  assert.equal(since('2026-01-02T03:04:05Z'), '2026-01-02T03:04:05');
  assert.equal(since('2026-01-02T03:04:05.123456789Z'), '2026-01-02T03:04:05.123456789');
  assert.equal(since('2026-01-02T00:30:00.5+02:00'), '2026-01-01T22:30:00.5');
  const now = clock.now().toISOString();
  assert.ok(parse('sinceSeconds=1').since < now);
  assert.ok(parse('sinceSeconds=9223372036854775807').since < '1971');
});

/** Kubernetes 1.34's own answers. */
const refusals = {
  'tailLines=-1':
    'PodLogOptions "p" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0',
  'tailLines=-1&limitBytes=0':
    'PodLogOptions "p" is invalid: [tailLines: Invalid value: -1: must be greater than or equal to 0, limitBytes: Invalid value: 0: must be greater than 0]',
  'sinceSeconds=0':
    'PodLogOptions "p" is invalid: sinceSeconds: Invalid value: 0: must be greater than 0',
  'sinceSeconds=1&sinceTime=2020-01-01T00:00:00Z':
    'PodLogOptions "p" is invalid: []: Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified',
  'stream=Stdout': 'PodLogOptions "p" is invalid: stream: Forbidden: may not be specified',
  'tailLines=x': 'strconv.ParseInt: parsing "x": invalid syntax',
  'tailLines=': 'strconv.ParseInt: parsing "": invalid syntax',
  'limitBytes=99999999999999999999':
    'strconv.ParseInt: parsing "99999999999999999999": value out of range',
};

test('log options: what cannot be is refused as Kubernetes does', () => {
  for (const [query, message] of Object.entries(refusals))
    assert.throws(() => parse(query), { message });
  assert.throws(() => parse('sinceTime=abc'), /^ApiError: parsing time "abc" as /);
});
