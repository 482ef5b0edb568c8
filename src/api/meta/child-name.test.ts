import assert from 'node:assert/strict';
import { test } from 'node:test';
import { childName } from '#api/meta/child-name.ts';
import { parseGoDuration } from '#api/meta/go-duration.ts';

const long = 'a'.repeat(63);
for (const [parent, suffix, expected] of [
  ['hello', '-deployment', 'hello-deployment'],
  ['a'.repeat(52), '-deployment', `${'a'.repeat(52)}-deployment`],
  // printf 'a…' (63 times) | md5sum
  [long, '-private', `${'a'.repeat(23)}b06521f39153d618550606be297466d5-private`],
] as const) {
  test(`child name: ${parent} ${suffix}`, () => {
    assert.equal(childName(parent, suffix), expected);
  });
}

test('child name: a long suffix is hashed with the parent, and the name ends in a letter or digit', () => {
  const name = childName('x', `-${'-'.repeat(70)}`);
  assert.match(name, /^x[0-9a-f]{32}$/);
  assert.equal(childName('x'.repeat(40), 'y'.repeat(40)).length, 63);
});

for (const [text, expected] of [
  ['6s', 6_000],
  ['1h0m0s', 3_600_000],
  ['1.5s', 1_500],
  ['250ms', 250],
  ['0', 0],
  ['-1s', -1_000],
  ['6', undefined],
  ['', undefined],
  ['s', undefined],
  ['6s ', undefined],
] as const) {
  test(`Go duration: "${text}"`, () => {
    assert.equal(parseGoDuration(text), expected);
  });
}
