import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bodyText } from '#base/http-message.ts';
import { FakeClock } from '#base/fake-clock.ts';
import { silentLog } from '#base/log.ts';
import { seededRandom } from '#base/random.ts';
import { coreKinds, servingKinds } from '#api/kinds.ts';
import { createApiServer } from '#apiserver/api-server.ts';
import { bootstrapRbac } from '#apiserver/authorization/bootstrap-roles.ts';
import { RbacObjects } from '#apiserver/authorization/rbac-objects.ts';
import { rbacAuthorizer } from '#apiserver/authorization/rbac.ts';
import { discoveryRoutes } from '#apiserver/discovery/discovery-routes.ts';
import { servedResources } from '#apiserver/discovery/served-resource.ts';
import { serviceAccountUser } from '#apiserver/authentication/service-account-tokens.ts';
import { platformUser, type User } from '#apiserver/user.ts';
import { openMemoryStore } from '#store/memory/memory-store.ts';

const kinds = [...coreKinds, ...servingKinds];

/** A server with the namespaces a and b, and a service account that is the admin of a. */
async function setUp() {
  const store = await openMemoryStore();
  const objects = new RbacObjects();
  for (const object of bootstrapRbac()) objects.put(object);
  objects.put({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: { name: 'admins', namespace: 'a' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'admin' },
    subjects: [{ kind: 'ServiceAccount', name: 'robot', namespace: 'a' }],
  });
  const server = createApiServer({
    store,
    kinds,
    clock: new FakeClock(),
    random: seededRandom(1),
    log: silentLog,
    authorizer: rbacAuthorizer(objects),
    routes: discoveryRoutes(() => kinds),
  });
  const call = async (user: User, method: string, target: string, body?: object) => {
    const reply = await server.handle({
      user,
      method,
      target,
      headers: { 'content-type': 'application/json' },
      signal: AbortSignal.timeout(10_000),
      ...(body && { body: JSON.stringify(body) }),
    });
    return { status: reply.status, text: await bodyText(reply.body) };
  };
  for (const name of ['a', 'b']) {
    await call(platformUser, 'POST', '/api/v1/namespaces', { metadata: { name } });
    const secret = { metadata: { name: 's' }, stringData: { password: `secret-of-${name}` } };
    const made = await call(platformUser, 'POST', `/api/v1/namespaces/${name}/secrets`, secret);
    assert.equal(made.status, 201, made.text);
  }
  return { store, call, robot: serviceAccountUser('a', 'robot') };
}

test('one namespace’s admin is refused everything of another’s over HTTP, and let at their own', async () => {
  const { store, call, robot } = await setUp();
  await using _store = store;
  const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];
  const suffixes = ['', '/x', '/x/status', '/x/scale', '/x/log', '/x/exec', '/x/token', '/x/y/z'];
  let asked = 0;
  const refused = async (method: string, target: string): Promise<void> => {
    const { status, text } = await call(robot, method, target, method === 'GET' ? undefined : {});
    assert.equal(status, 403, `${method} ${target}: ${status} ${text}`);
    assert.ok(!text.includes('secret-of-b'));
    asked += 1;
  };
  const namespaced = servedResources(kinds).filter(
    ({ scope, subresource }) => scope === 'Namespaced' && subresource === undefined,
  );
  for (const { group, version, plural } of namespaced) {
    const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
    for (const method of methods) {
      for (const suffix of suffixes) {
        await refused(method, `${root}/namespaces/b/${plural}${suffix}`);
        await refused(
          method,
          `${root}/namespaces/%62/${plural}${suffix}?fieldSelector=metadata.name=s`,
        );
      }
    }
    for (const query of ['', '?watch=1', '?fieldSelector=metadata.namespace=a', '?limit=1']) {
      await refused('GET', `${root}/${plural}${query}`);
      await refused('GET', `${root}/namespaces/b/${plural}${query}`);
      await refused('GET', `${root}/namespaces//${plural}${query}`);
    }
  }
  assert.ok(asked > 1000, `only ${asked} were asked`);
  const own = await call(robot, 'GET', '/api/v1/namespaces/a/secrets/s');
  assert.equal(own.status, 200);
  assert.equal((await call(robot, 'GET', '/api/v1/namespaces/a')).status, 200);
  await refused('GET', '/api/v1/namespaces/b');
  await refused('DELETE', '/api/v1/namespaces/a');
});

test('paths that climb out of a namespace lead nowhere', async () => {
  const { store, call, robot } = await setUp();
  await using _store = store;
  const climbs = ['..%2Fb%2Fsecrets%2Fs', '..%2F..%2Fsecrets%2Fb%2Fs', '%2E%2E%2Fb%2Fs', 's%00'];
  for (const climb of climbs) {
    const { status, text } = await call(robot, 'GET', `/api/v1/namespaces/a/secrets/${climb}`);
    assert.ok(status >= 400, `${climb}: ${status}`);
    assert.ok(!text.includes('secret-of-b'));
  }
});

test('a refusal says who may not do what, as Kubernetes says it', async () => {
  const { store, call, robot } = await setUp();
  await using _store = store;
  const messageOf = async (method: string, target: string): Promise<string> =>
    (JSON.parse((await call(robot, method, target)).text) as { message: string }).message;
  assert.equal(
    await messageOf('GET', '/api/v1/namespaces/b/pods'),
    'pods is forbidden: User "system:serviceaccount:a:robot" cannot list resource "pods" in API group "" in the namespace "b"',
  );
  assert.equal(
    await messageOf('GET', '/metrics'),
    'forbidden: User "system:serviceaccount:a:robot" cannot get path "/metrics"',
  );
});
