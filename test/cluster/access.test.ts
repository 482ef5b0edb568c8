import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterUnderTest, uniqueName } from '#test/support/cluster-under-test.ts';
import { at, type WireReply } from '#test/support/wire.ts';

const REVIEWS = '/apis/authorization.k8s.io/v1';
const RBAC = '/apis/rbac.authorization.k8s.io/v1';
const API_GROUP = 'rbac.authorization.k8s.io';
/** A binding counts a moment after it was written, and a real server tells nobody when. */
const COUNTS_WITHIN_MS = 10_000;

/** A namespace with a ServiceAccount `bob` who may do what these rules say there, once that counts. */
async function withBob(rules: readonly object[]) {
  const cluster = await clusterUnderTest();
  const { send } = cluster;
  const namespace = await cluster.namespace();
  const accounts = `/api/v1/namespaces/${namespace}/serviceaccounts`;
  await send('POST', accounts, { metadata: { name: 'bob' } });
  const issued = await send('POST', `${accounts}/bob/token`, { spec: {} });
  const bob = cluster.as(String(at(issued.body, 'status.token')));
  const probe = { apiGroups: ['example.com'], resources: ['probes'], verbs: ['get'] };
  const roles = `${RBAC}/namespaces/${namespace}/roles`;
  const bindings = `${RBAC}/namespaces/${namespace}/rolebindings`;
  const subjects = [{ kind: 'ServiceAccount', name: 'bob', namespace }];
  const bind = (as: typeof bob, name: string, role: { kind: string; name: string }) =>
    as.send('POST', bindings, {
      metadata: { name },
      roleRef: { apiGroup: API_GROUP, ...role },
      subjects,
    });
  await send('POST', roles, { metadata: { name: 'bobs' }, rules: [...rules, probe] });
  await bind(cluster, 'bobs', { kind: 'Role', name: 'bobs' });
  const resourceAttributes = { namespace, verb: 'get', group: 'example.com', resource: 'probes' };
  const deadline = AbortSignal.timeout(COUNTS_WITHIN_MS);
  for (;;) {
    const asked = { spec: { resourceAttributes } };
    const { body } = await bob.send('POST', `${REVIEWS}/selfsubjectaccessreviews`, asked);
    if (at(body, 'status.allowed') === true) break;
    deadline.throwIfAborted();
  }
  return {
    ...cluster,
    namespace,
    bob,
    roles,
    bindings,
    bind,
    user: `system:serviceaccount:${namespace}:bob`,
  };
}

const PODS = { apiGroups: [''], resources: ['pods', 'pods/log'], verbs: ['get', 'list'] };
const ONE_SECRET = {
  apiGroups: [''],
  resources: ['secrets'],
  resourceNames: ['one'],
  verbs: ['get'],
};

test('reviews: say what somebody may, and by what', async () => {
  const { namespace, bob, send, user } = await withBob([PODS, ONE_SECRET]);
  const by = `RBAC: allowed by RoleBinding "bobs/${namespace}" of Role "bobs" to ServiceAccount "bob/${namespace}"`;
  const cases: readonly [attributes: object, allowed: boolean][] = [
    [{ namespace, verb: 'get', resource: 'pods' }, true],
    [{ namespace, verb: 'get', resource: 'pods', subresource: 'log' }, true],
    [{ namespace, verb: 'get', resource: 'pods', subresource: 'exec' }, false],
    [{ namespace, verb: 'delete', resource: 'pods' }, false],
    [{ namespace, verb: 'get', resource: 'secrets', name: 'one' }, true],
    [{ namespace, verb: 'get', resource: 'secrets' }, false],
    [{ namespace: 'other', verb: 'get', resource: 'pods' }, false],
    [{ verb: 'get', resource: 'pods' }, false],
    [{ namespace, verb: '*', group: '*', resource: '*' }, false],
  ];
  for (const [resourceAttributes, allowed] of cases) {
    const status = allowed ? { allowed, reason: by } : { allowed };
    const own = { spec: { resourceAttributes } };
    const self = await bob.send('POST', `${REVIEWS}/selfsubjectaccessreviews`, own);
    assert.equal(self.status, 201, JSON.stringify(self.body));
    assert.deepEqual(at(self.body, 'status'), status, JSON.stringify(resourceAttributes));
    const other = { spec: { resourceAttributes, user } };
    const told = await send('POST', `${REVIEWS}/subjectaccessreviews`, other);
    assert.deepEqual(at(told.body, 'status'), status);
  }
  const path = { nonResourceAttributes: { path: '/version', verb: 'get' } };
  const ofPath = await bob.send('POST', `${REVIEWS}/selfsubjectaccessreviews`, { spec: path });
  assert.equal(at(ofPath.body, 'status.allowed'), true);
  const local = `${REVIEWS}/namespaces/${namespace}/localsubjectaccessreviews`;
  const inside = { user, resourceAttributes: { namespace, verb: 'list', resource: 'pods' } };
  const reply = await send('POST', local, { spec: inside });
  assert.deepEqual(at(reply.body, 'status'), { allowed: true, reason: by });
  assert.equal(at(reply.body, 'metadata.namespace'), namespace);
  const may = await bob.send('POST', `${REVIEWS}/subjectaccessreviews`, { spec: inside });
  assert.equal(may.status, 403);
});

test('reviews: questions that are none', async () => {
  const { send, namespace } = await clusterUnderTest().then(async (cluster) => ({
    ...cluster,
    namespace: await cluster.namespace(),
  }));
  const resourceAttributes = { namespace, verb: 'get', resource: 'pods' };
  const nonResourceAttributes = { path: '/x', verb: 'get' };
  const both = { rawSelector: 'a=b', requirements: [{ key: 'a', operator: 'In', values: ['b'] }] };
  const [self, subject] = ['selfsubjectaccessreviews', 'subjectaccessreviews'];
  const local = `namespaces/${namespace}/localsubjectaccessreviews`;
  const user = 'x';
  const cases: readonly [target: string, review: object, field: string, message: RegExp][] = [
    [self, { spec: {} }, 'spec.resourceAttributes', /exactly one of nonResourceAttributes or/],
    [
      self,
      { spec: { resourceAttributes, nonResourceAttributes } },
      'spec.nonResourceAttributes',
      /cannot be specified in combination with resourceAttributes/,
    ],
    [
      self,
      { spec: { resourceAttributes: { ...resourceAttributes, fieldSelector: both } } },
      'spec.resourceAttributes.fieldSelector.rawSelector',
      /same time as requirements/,
    ],
    [
      subject,
      { spec: { resourceAttributes } },
      'spec.user',
      /at least one of user or group must be specified/,
    ],
    [
      subject,
      { metadata: { labels: { a: 'b' } }, spec: { user, resourceAttributes } },
      'metadata',
      /must be empty/,
    ],
    [
      local,
      { spec: { user, nonResourceAttributes } },
      'spec.nonResourceAttributes',
      /disallowed on this kind of request/,
    ],
    [
      local,
      { spec: { user, resourceAttributes: { ...resourceAttributes, namespace: 'o' } } },
      'spec.resourceAttributes.namespace',
      /must match metadata.namespace/,
    ],
  ];
  for (const [target, review, field, message] of cases) {
    const { status, body } = await send('POST', `${REVIEWS}/${target}`, review);
    assert.equal(status, 422, JSON.stringify([review, body]));
    assert.equal(at(body, 'details.causes.0.field'), field);
    assert.match(String(at(body, 'details.causes.0.message')), message);
  }
  assert.equal((await send('GET', `${REVIEWS}/subjectaccessreviews`)).status, 405);
  const nowhere = await send('POST', `${REVIEWS}/selfsubjectrulesreviews`, { spec: {} });
  assert.equal(nowhere.status, 400);
  assert.equal(at(nowhere.body, 'message'), 'no namespace on request');
});

test('reviews: the rules that count in a namespace', async () => {
  const { bob, namespace } = await withBob([PODS, ONE_SECRET]);
  const { body } = await bob.send('POST', `${REVIEWS}/selfsubjectrulesreviews`, {
    spec: { namespace },
  });
  assert.equal(at(body, 'status.incomplete'), false);
  const rules = at(body, 'status.resourceRules') as object[];
  for (const rule of [PODS, ONE_SECRET]) {
    assert.ok(
      rules.some((each) => JSON.stringify(sorted(each)) === JSON.stringify(sorted(rule))),
      JSON.stringify(rules),
    );
  }
  const paths = at(body, 'status.nonResourceRules') as { nonResourceURLs: string[] }[];
  assert.ok(paths.some(({ nonResourceURLs }) => nonResourceURLs.includes('/version')));
});

function sorted(fields: object): object {
  return Object.fromEntries(Object.entries(fields).toSorted(([a], [b]) => a.localeCompare(b)));
}

test('impersonation: acts as who is named, with the groups that are theirs', async () => {
  const { send, namespace } = await withBob([]);
  const whoami = async (headers: Readonly<Record<string, string>>): Promise<unknown> => {
    const { status, body } = await send(
      'POST',
      '/apis/authentication.k8s.io/v1/selfsubjectreviews',
      {},
      { headers },
    );
    assert.equal(status, 201, JSON.stringify(body));
    return at(body, 'status.userInfo');
  };
  const carol = { 'impersonate-user': 'carol' };
  assert.deepEqual(await whoami(carol), { username: 'carol', groups: ['system:authenticated'] });
  const all = {
    ...carol,
    'impersonate-group': 'dev',
    'impersonate-uid': '77',
    'impersonate-extra-scopes': 'view',
    'impersonate-extra-example.com%2fb': 'v',
  };
  assert.deepEqual(await whoami(all), {
    username: 'carol',
    uid: '77',
    groups: ['dev', 'system:authenticated'],
    extra: { scopes: ['view'], 'example.com/b': ['v'] },
  });
  const account = `system:serviceaccount:${namespace}:bob`;
  assert.deepEqual(await whoami({ 'impersonate-user': account }), {
    username: account,
    groups: [
      'system:serviceaccounts',
      `system:serviceaccounts:${namespace}`,
      'system:authenticated',
    ],
  });
  // Who is said not to be known may not even ask who they are.
  const stranger = { ...carol, 'impersonate-group': 'system:unauthenticated' };
  const asked = await send(
    'POST',
    '/apis/authentication.k8s.io/v1/selfsubjectreviews',
    {},
    { headers: stranger },
  );
  assert.equal(asked.status, 403);
});

test('impersonation: each of user, groups, uid and extra must be allowed', async () => {
  const { send, bob, namespace, user } = await withBob([]);
  const name = uniqueName('may-be');
  const rules = [
    { apiGroups: [''], resources: ['users'], verbs: ['impersonate'], resourceNames: ['carol'] },
  ];
  await send('POST', `${RBAC}/clusterroles`, { metadata: { name }, rules });
  await send('POST', `${RBAC}/clusterrolebindings`, {
    metadata: { name },
    roleRef: { apiGroup: API_GROUP, kind: 'ClusterRole', name },
    subjects: [{ kind: 'ServiceAccount', name: 'bob', namespace }],
  });
  const pods = `/api/v1/namespaces/${namespace}/pods`;
  const act = async (headers: Readonly<Record<string, string>>): Promise<string> =>
    String(at((await bob.send('GET', pods, undefined, { headers })).body, 'message'));
  const asCarol = { 'impersonate-user': 'carol' };
  const isCarol = `pods is forbidden: User "carol" cannot list resource "pods" in API group "" in the namespace "${namespace}"`;
  const deadline = AbortSignal.timeout(COUNTS_WITHIN_MS);
  while ((await act(asCarol)) !== isCarol) deadline.throwIfAborted();
  const cannot = `is forbidden: User "${user}" cannot impersonate resource`;
  const cases: readonly [headers: Readonly<Record<string, string>>, message: string][] = [
    [
      { 'impersonate-user': 'dave' },
      `users "dave" ${cannot} "users" in API group "" at the cluster scope`,
    ],
    [
      { ...asCarol, 'impersonate-group': 'g' },
      `groups "g" ${cannot} "groups" in API group "" at the cluster scope`,
    ],
    [
      { ...asCarol, 'impersonate-uid': 'u' },
      `uids.authentication.k8s.io "u" ${cannot} "uids" in API group "authentication.k8s.io" at the cluster scope`,
    ],
    [
      { ...asCarol, 'impersonate-extra-z': 'e' },
      `userextras.authentication.k8s.io "e" ${cannot} "userextras/z" in API group "authentication.k8s.io" at the cluster scope`,
    ],
    [
      { 'impersonate-user': `system:serviceaccount:${namespace}:x` },
      `serviceaccounts "x" ${cannot} "serviceaccounts" in API group "" in the namespace "${namespace}"`,
    ],
  ];
  for (const [headers, message] of cases) assert.equal(await act(headers), message);
  for (const kind of ['clusterrolebindings', 'clusterroles'])
    await send('DELETE', `${RBAC}/${kind}/${name}`);
});

test('roles: nobody writes or binds more than they hold, and is told what is missing', async () => {
  // To escalate and to bind are verbs too, so that not all may be given.
  const verbs = ['get', 'list', 'create', 'update', 'patch', 'delete'];
  const maker = { apiGroups: [API_GROUP], resources: ['roles', 'rolebindings'], verbs };
  const { bob, roles, bind, user, namespace, send } = await withBob([maker, PODS]);
  const make = (name: string, ...rules: object[]): Promise<WireReply> =>
    bob.send('POST', roles, { metadata: { name }, rules });
  assert.equal((await make('less', { ...PODS, verbs: ['get'] })).status, 201);
  const groups = `["system:serviceaccounts" "system:serviceaccounts:${namespace}" "system:authenticated"]`;
  const more = await make('more', {
    apiGroups: [''],
    resources: ['pods', 'secrets'],
    verbs: ['get', 'delete'],
  });
  assert.equal(more.status, 403);
  assert.equal(
    at(more.body, 'message'),
    `roles.rbac.authorization.k8s.io "more" is forbidden: user "${user}" (groups=${groups}) is attempting to grant RBAC permissions not currently held:
{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}
{APIGroups:[""], Resources:["secrets"], Verbs:["get" "delete"]}`,
  );
  const star = await make('star', { apiGroups: ['*'], resources: ['*'], verbs: ['*'] });
  assert.match(
    String(at(star.body, 'message')),
    /\n\{APIGroups:\["\*"\], Resources:\["\*"\], Verbs:\["\*"\]\}$/,
  );
  assert.equal((await bind(bob, 'less', { kind: 'Role', name: 'less' })).status, 201);
  assert.equal((await bind(bob, 'view', { kind: 'ClusterRole', name: 'view' })).status, 403);
  const none = await bind(bob, 'none', { kind: 'Role', name: 'none' });
  assert.equal(none.status, 404);
  assert.equal(at(none.body, 'message'), 'rolebindings.rbac.authorization.k8s.io "none" not found');
  assert.equal(
    (await bind({ send, watch: bob.watch }, 'none', { kind: 'Role', name: 'none' })).status,
    201,
  );
});

test('roles: an aggregated one has the rules of those it selects, and no others', async () => {
  const { send, watch } = await clusterUnderTest();
  const name = uniqueName('aggregate');
  const [whole, part] = [`${RBAC}/clusterroles/${name}`, `${RBAC}/clusterroles/${name}-part`];
  const pods = { apiGroups: [''], resources: ['pods'], verbs: ['get'] };
  const made = await send('POST', `${RBAC}/clusterroles`, {
    metadata: { name },
    aggregationRule: {
      clusterRoleSelectors: [{ matchLabels: { [`example.com/${name}`]: 'yes' } }],
    },
    rules: [{ apiGroups: [''], resources: ['secrets'], verbs: ['*'] }],
  });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  await send('POST', `${RBAC}/clusterroles`, {
    metadata: { name: `${name}-part`, labels: { [`example.com/${name}`]: 'yes' } },
    rules: [pods],
  });
  const until = async (isWanted: (rules: object[]) => boolean): Promise<void> => {
    for await (const { object } of watch(
      `${RBAC}/clusterroles?watch=1&fieldSelector=metadata.name%3D${name}`,
    )) {
      if (isWanted((at(object, 'rules') ?? []) as object[])) return;
    }
    assert.fail('the watch ended before the rules were as wanted');
  };
  await until((rules) => JSON.stringify(rules.map(sorted)) === JSON.stringify([sorted(pods)]));
  await send('DELETE', part);
  await until((rules) => rules.length === 0);
  await send('DELETE', whole);
});
