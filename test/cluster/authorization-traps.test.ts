import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterUnderTest } from '#test/support/cluster-under-test.ts';
import { twoTenants } from '#test/support/two-tenants.ts';
import { at, nextOf } from '#test/support/wire.ts';

const RBAC = '/apis/rbac.authorization.k8s.io/v1';

test('authorization: no spelling of a path leads into another namespace', async () => {
  const cluster = await clusterUnderTest();
  const { own, other, robot, canary } = await twoTenants(cluster);
  const root = '/api/v1/namespaces';
  const escaped = Buffer.from(other).toString('hex').replaceAll(/../g, '%$&');
  const targets = [
    `${root}/${own}/../${other}/secrets/there`,
    `${root}/${own}/%2e%2e/${other}/secrets/there`,
    `${root}/${own}%2F..%2F${other}/secrets/there`,
    `${root}/${own}/secrets/..%2F..%2F${other}%2Fsecrets%2Fthere`,
    `${root}/${own}/secrets/%2E%2E%2F${other}%2Fthere`,
    `${root}/${own}/secrets/../../${other}/secrets/there`,
    `${root}/${escaped}/secrets/there`,
    `${root}/${own}%00/secrets/there`,
    `${root}/${other}%00/secrets/there`,
    `${root}//secrets/there`,
    `${root}//secrets`,
    `${root}/%20/secrets`,
    `/api//v1/namespaces/${other}/secrets`,
    `//api/v1/namespaces/${other}/secrets`,
    `/api/v1/./namespaces/${other}/secrets`,
    `/./api/v1/namespaces/${other}/secrets`,
    `/API/v1/namespaces/${other}/secrets`,
    `/api/v1/Namespaces/${other}/secrets`,
    `/api/v1/watch/namespaces/${other}/secrets`,
    `/api/v1/watch/secrets`,
    `/api/v1/proxy/namespaces/${other}/secrets/there`,
    `/apis/v1/namespaces/${other}/secrets/there`,
    `/apis//v1/namespaces/${other}/secrets/there`,
    `${root}/${other}/secrets/there/`,
    `${root}/${other}/secrets/there?namespace=${own}`,
    `${root}/${other}/secrets?namespace=${own}`,
    `${root}/${other}/secrets/there#/${own}`,
    `${root}/${own}/pods/..%2F..%2F${other}%2Fpods%2Fthere/log`,
    `${root}/${own}/services/https:kubernetes.default:443/proxy/api/v1/namespaces/${other}/secrets`,
  ];
  for (const target of targets) {
    for (const method of ['GET', 'DELETE', 'HEAD']) {
      const { status, body } = await robot.send(method, target);
      // Some paths are cleaned by a redirect, which is followed by whoever may follow it.
      assert.ok(status >= 300, `${method} ${target}: ${status}`);
      assert.ok(!JSON.stringify(body).includes(canary), target);
    }
  }
  const left = await cluster.send('GET', `${root}/${other}/secrets/there`);
  assert.equal(left.status, 200);
});

test('authorization: selectors, tables and metadata of one’s own show nothing of others', async () => {
  const cluster = await clusterUnderTest();
  const { own, other, robot, canary } = await twoTenants(cluster);
  const secrets = `/api/v1/namespaces/${own}/secrets`;
  const queries = [
    `fieldSelector=metadata.namespace%3D${other}`,
    `fieldSelector=metadata.namespace!%3D${own}`,
    `labelSelector=canary`,
    `labelSelector=canary%3D${canary}`,
    `limit=1&continue=`,
  ];
  const accepts = [
    'application/json',
    'application/json;as=Table;v=v1;g=meta.k8s.io',
    'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io',
  ];
  for (const query of queries) {
    for (const accept of accepts) {
      const reply = await robot.send('GET', `${secrets}?${query}`, undefined, {
        headers: { accept },
      });
      assert.equal(reply.status, 200, query);
      assert.ok(!JSON.stringify(reply.body).includes(canary), query);
    }
  }
});

test('authorization: a continue token opens only the list that it was made for', async () => {
  const cluster = await clusterUnderTest();
  const { own, other, robot, canary } = await twoTenants(cluster);
  const page = await cluster.send('GET', `/api/v1/namespaces/${other}/secrets?limit=1`);
  const token = encodeURIComponent(String(at(page.body, 'metadata.continue')));
  const reply = await robot.send(
    'GET',
    `/api/v1/namespaces/${own}/secrets?limit=5&continue=${token}`,
  );
  assert.ok(!JSON.stringify(reply.body).includes(canary), JSON.stringify(reply.body));
});

test('impersonation: whoever may not be somebody cannot act as them', async () => {
  const cluster = await clusterUnderTest();
  const { own, other, robot, stranger, canary } = await twoTenants(cluster);
  const target = `/api/v1/namespaces/${other}/secrets`;
  const wishes: Readonly<Record<string, string>>[] = [
    { 'impersonate-user': 'admin' },
    { 'impersonate-user': 'system:kube-controller-manager' },
    { 'impersonate-user': `system:serviceaccount:${other}:default` },
    {
      'impersonate-user': `system:serviceaccount:${own}:robot`,
      'impersonate-group': 'system:masters',
    },
    { 'impersonate-user': `system:serviceaccount:${own}:robot`, 'impersonate-uid': 'x' },
    { 'impersonate-user': `system:serviceaccount:${own}:robot`, 'impersonate-extra-scopes': 'all' },
    { 'impersonate-user': 'x', 'impersonate-group': `system:serviceaccounts:${other}` },
  ];
  for (const headers of wishes) {
    for (const client of [robot, stranger]) {
      const { status, body } = await client.send('GET', target, undefined, { headers });
      assert.equal(status, 403, JSON.stringify(headers));
      assert.match(String(at(body, 'message')), / cannot impersonate resource /);
      assert.ok(!JSON.stringify(body).includes(canary));
    }
  }
  const asOwn = { 'impersonate-user': `system:serviceaccount:${own}:default` };
  const allowed = await robot.send('GET', target, undefined, { headers: asOwn });
  // An administrator may be the service accounts of the namespace, which may nothing here.
  assert.match(
    String(at(allowed.body, 'message')),
    /User "system:serviceaccount:[^"]+:default" cannot list/,
  );
});

test('authorization: what a body says of its namespace does not lead there', async () => {
  const cluster = await clusterUnderTest();
  const { own, other, robot } = await twoTenants(cluster);
  const maps = (namespace: string): string => `/api/v1/namespaces/${namespace}/configmaps`;
  const body = { metadata: { name: 'planted', namespace: other } };
  const words =
    'the namespace of the provided object does not match the namespace sent on the request';
  const posted = await robot.send('POST', maps(own), body);
  assert.deepEqual([posted.status, at(posted.body, 'message')], [400, words]);
  assert.equal(
    (await robot.send('POST', maps(own), { metadata: { name: 'planted' } })).status,
    201,
  );
  const put = await robot.send('PUT', `${maps(own)}/planted`, body);
  assert.deepEqual([put.status, at(put.body, 'message')], [400, words]);
  for (const type of ['application/merge-patch+json', 'application/strategic-merge-patch+json']) {
    const patched = await robot.send('PATCH', `${maps(own)}/planted`, body, {
      headers: { 'content-type': type },
    });
    assert.deepEqual([patched.status, at(patched.body, 'message')], [400, words], type);
  }
  const applied = await robot.send(
    'PATCH',
    `${maps(own)}/planted?fieldManager=m`,
    { apiVersion: 'v1', kind: 'ConfigMap', ...body },
    { headers: { 'content-type': 'application/apply-patch+yaml' } },
  );
  assert.equal(applied.status, 400, JSON.stringify(applied.body));
  assert.equal((await cluster.send('GET', `${maps(other)}/planted`)).status, 404);
});

test('authorization: an Event is told only where what it is about lives', async () => {
  const cluster = await clusterUnderTest();
  const { own, other, robot } = await twoTenants(cluster);
  const { status, body } = await cluster.send('POST', `/api/v1/namespaces/${own}/events`, {
    metadata: { name: 'e' },
    involvedObject: { kind: 'Secret', namespace: other, name: 'there' },
  });
  assert.equal(status, 422, JSON.stringify(body));
  assert.match(String(at(body, 'message')), /involvedObject.namespace/);
  const events = await robot.send('GET', `/api/v1/events`);
  assert.equal(events.status, 403);
});

test('authorization: nobody gives away what they do not have', async () => {
  const cluster = await clusterUnderTest();
  const { own, robot } = await twoTenants(cluster);
  const roles = `${RBAC}/namespaces/${own}/roles`;
  const bindings = `${RBAC}/namespaces/${own}/rolebindings`;
  const rules = [
    { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
    { verbs: ['list'], apiGroups: [''], resources: ['nodes'] },
    { verbs: ['escalate'], apiGroups: ['rbac.authorization.k8s.io'], resources: ['roles'] },
    { verbs: ['bind'], apiGroups: ['rbac.authorization.k8s.io'], resources: ['clusterroles'] },
    { verbs: ['impersonate'], apiGroups: [''], resources: ['users'] },
  ];
  for (const rule of rules) {
    const body = { metadata: { name: 'more' }, rules: [rule] };
    const made = await robot.send('POST', roles, body);
    assert.equal(made.status, 403, JSON.stringify(made.body));
    assert.match(
      String(at(made.body, 'message')),
      /attempting to grant RBAC permissions not currently held/,
    );
  }
  const gathered = {
    metadata: {
      name: 'gathered',
      labels: { 'rbac.authorization.k8s.io/aggregate-to-admin': 'true' },
    },
    rules: [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }],
  };
  assert.equal((await robot.send('POST', roles, gathered)).status, 201);
  const more = { rules: [rules[0]] };
  const merge = { headers: { 'content-type': 'application/merge-patch+json' } };
  assert.equal((await robot.send('PATCH', `${roles}/gathered`, more, merge)).status, 403);
  const bind = (name: string, kind = 'ClusterRole') =>
    robot.send('POST', bindings, {
      metadata: { name: `to-${name.replaceAll(':', '-')}` },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind, name },
      subjects: [{ kind: 'ServiceAccount', name: 'stranger', namespace: own }],
    });
  assert.equal((await bind('cluster-admin')).status, 403);
  assert.equal((await bind('view')).status, 201);
  const admins = `${bindings}/admins`;
  const roleRef = {
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
  };
  assert.notEqual((await robot.send('PATCH', admins, roleRef, merge)).status, 200);
});

test('authorization: who blocks the deletion of another namespace’s object does not succeed', async () => {
  const cluster = await clusterUnderTest();
  const { own, other, robot } = await twoTenants(cluster);
  const owner = await cluster.send('POST', `/api/v1/namespaces/${other}/configmaps`, {
    metadata: { name: 'owner' },
  });
  const ownerReferences = [
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      name: 'owner',
      uid: String(at(owner.body, 'metadata.uid')),
      blockOwnerDeletion: true,
    },
  ];
  const made = await robot.send('POST', `/api/v1/namespaces/${own}/configmaps`, {
    metadata: { name: 'blocker', ownerReferences },
  });
  assert.equal(made.status, 201);
  const one = `/api/v1/namespaces/${other}/configmaps?watch=1&fieldSelector=metadata.name%3Downer`;
  const events = cluster.watch(one);
  assert.equal((await nextOf(events)).type, 'ADDED');
  const deleted = await cluster.send('DELETE', `/api/v1/namespaces/${other}/configmaps/owner`, {
    propagationPolicy: 'Foreground',
  });
  assert.equal(deleted.status, 200);
  for await (const { type } of events) if (type === 'DELETED') break;
});

test('tokens: one is had only of one’s own service accounts, and bound only to one’s own objects', async () => {
  const cluster = await clusterUnderTest();
  const { own, other, robot } = await twoTenants(cluster);
  const tokenOf = (namespace: string, name: string, spec: object = {}) =>
    robot.send('POST', `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`, { spec });
  assert.equal((await tokenOf(own, 'stranger')).status, 201);
  assert.equal((await tokenOf(other, 'default')).status, 403);
  const boundObjectRef = { kind: 'Secret', apiVersion: 'v1', name: 'there' };
  const foreign = await tokenOf(own, 'robot', { boundObjectRef });
  assert.equal(foreign.status, 404, JSON.stringify(foreign.body));
  assert.equal(at(foreign.body, 'message'), 'secrets "there" not found');
  const pod = await robot.send('POST', `/api/v1/namespaces/${own}/pods`, {
    metadata: { name: 'p' },
    spec: { serviceAccountName: 'nobody', containers: [{ name: 'c', image: 'i' }] },
  });
  assert.equal(pod.status, 403, JSON.stringify(pod.body));
});
