import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterUnderTest } from '#test/support/cluster-under-test.ts';
import { merged, until } from '#test/support/observe.ts';
import { at } from '#test/support/wire.ts';

test('namespace: an account for pods, and what they trust the server by; kept as they should be', async () => {
  const cluster = await clusterUnderTest();
  const base = `/api/v1/namespaces/${await cluster.namespace()}`;
  const account = await until(cluster, `${base}/serviceaccounts/default`, (it) => it !== undefined);
  assert.equal(at(account, 'secrets'), undefined);
  const target = `${base}/configmaps/kube-root-ca.crt`;
  const trust = await until(cluster, target, (it) => it !== undefined);
  assert.deepEqual(Object.keys(at(trust, 'data') as object), ['ca.crt']);
  const text = String((at(trust, 'data') as Record<string, string>)['ca.crt']);
  assert.match(text, /^-----BEGIN CERTIFICATE-----\n/);
  assert.deepEqual(Object.keys(at(trust, 'metadata.annotations') as object), [
    'kubernetes.io/description',
  ]);
  await merged(cluster, target, { data: { 'ca.crt': 'another' } });
  await until(
    cluster,
    target,
    (it) => JSON.stringify(at(it, 'data')) === JSON.stringify({ 'ca.crt': text }),
  );
  for (const [path, uid] of [
    [target, at(trust, 'metadata.uid')],
    [`${base}/serviceaccounts/default`, at(account, 'metadata.uid')],
  ] as const) {
    assert.equal((await cluster.send('DELETE', path)).status, 200);
    await until(cluster, path, (it) => it !== undefined && at(it, 'metadata.uid') !== uid);
  }
});
