import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  canonicalAmount,
  canonicalBytes,
  canonicalMicroTime,
  canonicalQuantity,
  canonicalTime,
} from '#api/meta/canonical.ts';

/** What kube-apiserver 1.34 makes of a memory limit. */
const AMOUNTS: readonly (readonly [string, string])[] = [
  ['1000m', '1'],
  ['0.5Gi', '512Mi'],
  ['1024Mi', '1Gi'],
  ['1e3', '1e3'],
  ['12e1', '120'],
  ['1e-3', '1e-3'],
  ['1500M', '1500M'],
  ['1000', '1k'],
  ['1.5', '1500m'],
  ['0.0001', '1m'],
  ['1n', '1m'],
  ['0.9765625Ki', '1k'],
  ['1025', '1025'],
  ['1500Ki', '1500Ki'],
  ['1.5Ki', '1536'],
  ['100E', '100E'],
  [' 1 ', '1'],
  ['1Ei', '1Ei'],
  ['16Ei', '9223372036854775807'],
  ['0Ki', '0'],
  ['0.1Ki', '102400m'],
  ['0.0000000001Gi', '108m'],
  ['1e10', '10e9'],
  ['12345678901234567890', '12345678901234567890'],
  ['-0', '0'],
];

test('canonical: amounts are told as Kubernetes tells them, and telling them again changes nothing', () => {
  for (const [text, expected] of AMOUNTS) {
    assert.equal(canonicalAmount(text), expected, text);
    assert.equal(canonicalAmount(expected), expected, text);
  }
  assert.equal(canonicalQuantity('0.1n'), '1n', 'only resource lists are rounded');
  for (const text of ['', 'x', '1e', '.', '1e400']) {
    assert.throws(() => canonicalQuantity(text), /quantities must match the regular expression/);
  }
});

test('canonical: bytes are base64, and what is none is not repeated', () => {
  assert.equal(canonicalBytes('YW\r\nJj\n'), 'YWJj');
  assert.equal(canonicalBytes('YQ=='), 'YQ==');
  const wrong = { 'YW!j': 2, YWJjZA: 4, 'YQ=a': 2, '====': 0, 'YWJj=': 4 };
  for (const [text, at] of Object.entries(wrong)) {
    assert.throws(() => canonicalBytes(text), {
      message: `illegal base64 data at input byte ${at}`,
    });
  }
});

test('canonical: times are in UTC', () => {
  assert.equal(canonicalTime('2020-01-01T01:00:00+01:00'), '2020-01-01T00:00:00Z');
  assert.equal(canonicalTime('2020-01-01T01:00:00.9Z'), '2020-01-01T01:00:00Z');
  assert.equal(canonicalMicroTime('2020-01-01T01:00:00Z'), '2020-01-01T01:00:00.000000Z');
  assert.equal(
    canonicalMicroTime('2019-12-31T22:30:00.1234567-02:30'),
    '2020-01-01T01:00:00.123456Z',
  );
  for (const text of ['', 'x', '2020-01-01', '2020-02-30T00:00:00Z', '2020-01-01T24:00:00Z']) {
    assert.throws(() => canonicalTime(text), /parsing time/);
  }
});
