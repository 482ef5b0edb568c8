import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HttpReply, HttpRequest } from '#base/http-message.ts';
import { Deployment } from '#api/apps-v1/deployment.ts';
import { ConfigMap } from '#api/core-v1/config-map.ts';
import { Namespace } from '#api/core-v1/namespace.ts';
import { Node } from '#api/core-v1/node.ts';
import { hasReason } from '#api/meta/api-error.ts';
import { createClient } from '#client/create-client.ts';
import { startCluster } from '#test/support/cluster.ts';
import { fixture } from '#test/support/fixture.ts';

const ref = { namespace: 'default', name: 'a' };

function configMap(data: Record<string, string>, metadata = {}): ConfigMap {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...ref, ...metadata }, data };
}

test('client: what is not there is undefined, and its deletion no failure', async () => {
  await using cluster = await startCluster();
  const { client } = cluster;
  assert.equal(await client.get(ConfigMap, ref), undefined);
  await client.delete(ConfigMap, ref);
  await assert.rejects(
    client.create(ConfigMap, configMap({}, { namespace: 'nowhere' })),
    (error) => hasReason(error, 'NotFound') && error.message === 'namespaces "nowhere" not found',
  );
});

test('client: objects are frozen, and failures have the reason and causes of the server', async () => {
  await using cluster = await startCluster();
  const { client } = cluster;
  const made = await client.create(ConfigMap, configMap({ a: '1' }));
  assert.ok(Object.isFrozen(made) && Object.isFrozen(made.data));
  await assert.rejects(client.create(ConfigMap, configMap({})), (error) =>
    hasReason(error, 'AlreadyExists'),
  );
  await client.update(ConfigMap, { ...made, data: { a: '2' } });
  await assert.rejects(client.update(ConfigMap, { ...made, data: { a: '3' } }), (error) =>
    hasReason(error, 'Conflict'),
  );
  const broken = fixture<Deployment>('{ metadata: { name: a, namespace: default }, spec: {} }');
  await assert.rejects(
    client.create(Deployment, broken),
    (error) => hasReason(error, 'Invalid') && (error.details.causes?.length ?? 0) > 0,
  );
});

test('client: a list of many pages is one list', async () => {
  await using cluster = await startCluster();
  const { client } = cluster;
  const count = 1_005;
  for (let at = 0; at < count; at += 1) {
    await client.create(
      ConfigMap,
      configMap({}, { name: `m-${at}`, labels: { odd: String(at % 2) } }),
    );
  }
  const { items, resourceVersion } = await client.list(ConfigMap);
  assert.equal(items.length, count);
  assert.equal(items[0]?.kind, 'ConfigMap');
  assert.equal(resourceVersion, String(cluster.store.revision));
  const odd = await client.list(ConfigMap, { namespace: 'default', labelSelector: 'odd in (1)' });
  assert.equal(odd.items.length, 502);
  const one = await client.list(ConfigMap, { fieldSelector: 'metadata.name=m-3' });
  assert.equal(one.items.length, 1);
});

test('client: dry run writes nothing', async () => {
  await using cluster = await startCluster();
  const { client } = cluster;
  const tried = await client.create(ConfigMap, configMap({ a: '1' }), { dryRun: true });
  assert.ok(tried.metadata.uid);
  assert.equal(await client.get(ConfigMap, ref), undefined);
});

test('client: apply makes it so, and then writes nothing, defaults or not', async () => {
  await using cluster = await startCluster();
  const { client, store } = cluster;
  const desired = fixture<Deployment>(`
    apiVersion: apps/v1
    kind: Deployment
    metadata: { name: a, namespace: default, labels: { a: b } }
    spec:
      selector: { matchLabels: { app: a } }
      template:
        metadata: { labels: { app: a } }
        spec: { containers: [{ name: a, image: example.com/a, ports: [{ containerPort: 80 }] }] }
  `);
  const made = await client.apply(Deployment, desired);
  assert.equal(made.spec?.replicas, 1);
  const before = store.revision;
  const again = await client.apply(Deployment, desired);
  assert.equal(store.revision, before);
  assert.deepEqual(again, made);
  const changed = await client.apply(Deployment, {
    ...desired,
    metadata: { ...ref, labels: { c: 'd' } },
  });
  assert.deepEqual(changed.metadata.labels, { a: 'b', c: 'd' });
});

test('client: apply goes on when others write at the same time, unless a version was asked for', async () => {
  await using cluster = await startCluster();
  const { client } = cluster;
  const names = Array.from({ length: 4 }, (_, at) => `key-${at}`);
  await Promise.all(names.map((name) => client.apply(ConfigMap, configMap({ [name]: 'x' }))));
  const merged = await client.get(ConfigMap, ref);
  assert.deepEqual(Object.keys(merged?.data ?? {}).toSorted(), names);
  const stale = configMap({ more: 'y' }, { resourceVersion: '1' });
  await assert.rejects(client.apply(ConfigMap, stale), (error) => hasReason(error, 'Conflict'));
});

test('client: status, subresources and patches of each kind', async () => {
  await using cluster = await startCluster();
  const { client } = cluster;
  const node = await client.create(Node, fixture<Node>('{ metadata: { name: n }, spec: {} }'));
  const phase = 'Running';
  const withStatus = await client.updateStatus(Node, { ...node, status: { phase } });
  assert.equal(withStatus.status?.phase, phase);
  await client.create(ConfigMap, configMap({ a: '1' }));
  const json = [{ op: 'replace', path: '/data/a', value: '2' }];
  assert.equal((await client.patch(ConfigMap, ref, json, { type: 'json' })).data?.['a'], '2');
  const merge = { data: { a: null, b: '3' } };
  assert.deepEqual((await client.patch(ConfigMap, ref, merge, { type: 'merge' })).data, { b: '3' });
});

/** A server that says one thing to everything: for what no API server of ours would say. */
function saying(status: number, body: HttpReply['body']) {
  const requests: HttpRequest[] = [];
  const client = createClient((request) => {
    requests.push(request);
    return Promise.resolve({ status, headers: {}, body });
  });
  return { client, requests };
}

test('client: a reply that is no Status has the reason of its code', async () => {
  const cases = [
    [502, 'InternalError'],
    [503, 'ServiceUnavailable'],
    [404, 'NotFound'],
    [429, 'TooManyRequests'],
  ] as const;
  for (const [code, reason] of cases) {
    const { client } = saying(code, '<html>a proxy</html>');
    await assert.rejects(client.list(Namespace), (error) => hasReason(error, reason), String(code));
  }
});

test('client: a watch that is told of an error throws it, wherever lines and letters are cut', async () => {
  const event = { type: 'ADDED', object: { metadata: { name: 'größe', resourceVersion: '7' } } };
  const status = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' };
  const lines = `${JSON.stringify(event)}\n${JSON.stringify({ type: 'ERROR', object: status })}\n`;
  async function* bytes(): AsyncGenerator<Uint8Array> {
    for (const byte of Buffer.from(lines)) yield Uint8Array.of(byte);
  }
  const { client } = saying(200, bytes());
  const seen: unknown[] = [];
  const watching = async (): Promise<void> => {
    const { signal } = new AbortController();
    for await (const one of client.watch(Namespace, { resourceVersion: '1' }, signal))
      seen.push(one);
  };
  await assert.rejects(watching(), (error) => hasReason(error, 'Expired'));
  assert.deepEqual(seen, [event]);
});

test('client: names with special letters cannot leave their place in the path', async () => {
  const { client, requests } = saying(404, '');
  await client.get(ConfigMap, { namespace: 'a/../b', name: 'c?d#e' });
  assert.equal(requests[0]?.target, '/api/v1/namespaces/a%2F..%2Fb/configmaps/c%3Fd%23e');
});
