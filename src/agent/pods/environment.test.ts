import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '#api/core-v1/pod.ts';
import { expand, fieldValue, hostnameOf } from '#agent/pods/environment.ts';

const pod: Pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web-1', namespace: 'a', uid: 'u', labels: { app: 'web' } },
};

test('environment: references are expanded, escaped and unknown ones are kept', () => {
  const env = new Map([['A', '1']]);
  for (const [text, expected] of [
    ['$(A)-$(A)', '1-1'],
    ['$$(A)', '$(A)'],
    ['$(B)', '$(B)'],
    ['$A', '$A'],
  ] as const)
    assert.equal(expand(text, env), expected);
});

test('environment: fields of the pod', () => {
  const facts = { pod, address: '10.8.0.2', hostAddress: '10.8.0.1' };
  assert.equal(fieldValue({ fieldPath: 'metadata.name' }, facts), 'web-1');
  assert.equal(fieldValue({ fieldPath: "metadata.labels['app']" }, facts), 'web');
  assert.equal(fieldValue({ fieldPath: 'status.podIP' }, facts), '10.8.0.2');
  assert.throws(() => fieldValue({ fieldPath: 'spec.x' }, facts), /not supported/);
});

test('hostname: at most 63 characters, none of them a last dash', () => {
  const name = `${'a'.repeat(62)}-b`;
  assert.equal(hostnameOf({ ...pod, metadata: { name } }), 'a'.repeat(62));
});
