import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterUnderTest } from '#test/support/cluster-under-test.ts';
import { at } from '#test/support/wire.ts';

test('discovery: /api names its one version', async () => {
  const { send } = await clusterUnderTest();
  const { status, body } = await send('GET', '/api');
  assert.equal(status, 200);
  assert.equal(at(body, 'kind'), 'APIVersions');
  assert.deepEqual(at(body, 'versions'), ['v1']);
});

test('discovery: a group by itself is as it is in the list', async () => {
  const { send } = await clusterUnderTest();
  const { body } = await send('GET', '/apis');
  assert.equal(at(body, 'kind'), 'APIGroupList');
  const groups = at(body, 'groups') as { name: string; preferredVersion: object }[];
  const listed = groups.find(({ name }) => name === 'batch');
  assert.deepEqual(listed?.preferredVersion, { groupVersion: 'batch/v1', version: 'v1' });
  const alone = await send('GET', '/apis/batch');
  assert.deepEqual(alone.body, { kind: 'APIGroup', apiVersion: 'v1', ...listed });
});
