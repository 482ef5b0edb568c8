import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasReason } from '#api/meta/api-error.ts';
import { matchLabelSelector, parseLabelSelector } from '#api/meta/selector.ts';

const check = (selector: string, labels: Record<string, string>, expected: boolean): void =>
  assert.equal(parseLabelSelector(selector)(labels), expected, selector);

test('label selector: every form Kubernetes has', () => {
  check('', {}, true);
  check('app=a', { app: 'a' }, true);
  check('app==a', { app: 'b' }, false);
  check('app!=a', {}, true);
  check('app!=a', { app: 'a' }, false);
  check('app in (a, b),tier notin (x)', { app: 'b' }, true);
  check('app notin (a,b)', { app: 'b' }, false);
  check('app', { app: '' }, true);
  check('!app', { app: '' }, false);
  check('! app', {}, true);
  check('example.com/size>3', { 'example.com/size': '4' }, true);
  check('size<3', {}, false);
  check('app=', { app: '' }, true);
  check('toString', {}, false);
});

test('label selector: what is none of its forms is refused', () => {
  for (const text of ['a b', 'a in b', '=a', 'a=b=c', '!a=b', 'a,,b']) {
    assert.throws(
      () => parseLabelSelector(text),
      (error) => hasReason(error, 'BadRequest'),
      text,
    );
  }
});

test('label selector: an object means the same', () => {
  const matches = matchLabelSelector({
    matchLabels: { app: 'a' },
    matchExpressions: [{ key: 'tier', operator: 'In', values: ['x'] }],
  });
  assert.equal(matches({ app: 'a', tier: 'x' }), true);
  assert.equal(matches({ app: 'a' }), false);
});
