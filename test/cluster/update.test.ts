import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterUnderTest, uniqueName } from '#test/support/cluster-under-test.ts';
import { at } from '#test/support/wire.ts';

test('update: makes what is not there, of some kinds', async () => {
  const { send, namespace } = await clusterUnderTest();
  const within = `namespaces/${await namespace()}`;
  const name = uniqueName('put');
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' };
  const container = { name: 'main', image: 'sample:v1' };
  const involvedObject = { namespace: within.split('/')[1], kind: 'Pod', name: 'p' };
  const kinds: readonly [collection: string, object: object, code: number][] = [
    [`/apis/coordination.k8s.io/v1/${within}/leases`, {}, 201],
    [`/api/v1/${within}/endpoints`, {}, 201],
    [`/api/v1/${within}/events`, { involvedObject }, 201],
    [`/api/v1/${within}/limitranges`, { spec: { limits: [] } }, 201],
    [`/api/v1/${within}/services`, { spec: { clusterIP: 'None' } }, 201],
    [`/apis/rbac.authorization.k8s.io/v1/${within}/roles`, { rules: [] }, 201],
    [`/apis/rbac.authorization.k8s.io/v1/${within}/rolebindings`, { roleRef }, 201],
    ['/apis/rbac.authorization.k8s.io/v1/clusterroles', { rules: [] }, 201],
    ['/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', { roleRef }, 201],
    [`/api/v1/${within}/configmaps`, {}, 404],
    [`/api/v1/${within}/secrets`, {}, 404],
    [`/api/v1/${within}/serviceaccounts`, {}, 404],
    [`/api/v1/${within}/podtemplates`, { template: { spec: { containers: [container] } } }, 404],
  ];
  for (const [collection, object, code] of kinds) {
    const target = `${collection}/${name}`;
    const { status, body } = await send('PUT', target, { metadata: { name }, ...object });
    assert.equal(status, code, `${target}: ${String(at(body, 'message'))}`);
    if (!collection.includes(within)) await send('DELETE', target);
  }
  const leases = `/apis/coordination.k8s.io/v1/${within}/leases`;
  const gone = { metadata: { name: 'gone', resourceVersion: '1' } };
  assert.equal((await send('PUT', `${leases}/gone`, gone)).status, 201, 'whatever it was before');
  const other = { metadata: { name: 'other', uid: 'abc' } };
  const refused = await send('PUT', `${leases}/other`, other);
  assert.equal(refused.status, 409);
  assert.match(String(at(refused.body, 'message')), /UID in precondition: abc/);
});

test('strategic merge patch: a deletion by a key that two items have takes both', async () => {
  const { send, namespace } = await clusterUnderTest();
  const services = `/api/v1/namespaces/${await namespace()}/services`;
  const ports = [
    { name: 'a', port: 80 },
    { name: 'b', port: 80, protocol: 'UDP' },
    { name: 'c', port: 81 },
  ];
  await send('POST', services, { metadata: { name: 's' }, spec: { ports } });
  const headers = { 'content-type': 'application/strategic-merge-patch+json' };
  const added = { name: 'b', port: 82, protocol: 'UDP' };
  const patch = { spec: { ports: [added, { $patch: 'delete', port: 80 }] } };
  const { status, body } = await send('PATCH', `${services}/s`, patch, { headers });
  assert.equal(status, 200, JSON.stringify(body));
  const left = at(body, 'spec.ports') as { port: number }[];
  assert.deepEqual(new Set(left.map(({ port }) => port)), new Set([81, 82]));
});
