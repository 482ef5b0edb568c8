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

test("discovery: / names the paths that are no object's, and each of the ones clients know answers", async () => {
  const { send } = await clusterUnderTest();
  const { status, body } = await send('GET', '/');
  assert.equal(status, 200);
  const paths = at(body, 'paths') as string[];
  assert.deepEqual(paths, paths.toSorted());
  const known = [
    '/api',
    '/api/v1',
    '/apis',
    '/apis/apps',
    '/apis/apps/v1',
    '/healthz',
    '/livez',
    '/openapi/v2',
  ];
  for (const path of [...known, '/openapi/v3', '/openid/v1/jwks', '/readyz', '/version']) {
    assert.ok(paths.includes(path), path);
    assert.equal((await send('GET', path)).status, 200, path);
  }
});
