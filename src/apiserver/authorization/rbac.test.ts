import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PolicyRule, Subject } from '#api/generated/rbac-v1.ts';
import type { Kind } from '#api/kind.ts';
import { Deployment } from '#api/apps-v1/deployment.ts';
import { ConfigMap } from '#api/core-v1/config-map.ts';
import { Event } from '#api/core-v1/event.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { Secret } from '#api/core-v1/secret.ts';
import { ServiceAccount } from '#api/core-v1/service-account.ts';
import { Service } from '#api/core-v1/service.ts';
import { RoleBinding } from '#api/rbac-v1/role-binding.ts';
import { bootstrapRbac, GATEWAY_USER } from '#apiserver/authorization/bootstrap-roles.ts';
import { forbiddenRequest } from '#apiserver/authorization/forbidden-request.ts';
import { RbacObjects, type RbacObject } from '#apiserver/authorization/rbac-objects.ts';
import { rbacAuthorizer } from '#apiserver/authorization/rbac.ts';
import { withServingSecrets } from '#apiserver/authorization/serving-secrets.ts';
import type { Attributes, Authorizer, User } from '#apiserver/user.ts';

const API_GROUP = 'rbac.authorization.k8s.io';
const apiVersion = `${API_GROUP}/v1`;
const joe: User = { name: 'joe', groups: ['system:authenticated'] };

function objectsOf(...objects: RbacObject[]): RbacObjects {
  const held = new RbacObjects();
  for (const object of [...bootstrapRbac(), ...objects]) held.put(object);
  return held;
}

function role(namespace: string, name: string, rules: PolicyRule[]): RbacObject {
  return { apiVersion, kind: 'Role', metadata: { namespace, name }, rules };
}

function binding(
  namespace: string | undefined,
  [kind, name]: ['Role' | 'ClusterRole', string],
  ...subjects: Subject[]
): RbacObject {
  const metadata = { name: `${name}-binding`, ...(namespace !== undefined && { namespace }) };
  const roleRef = { apiGroup: API_GROUP, kind, name };
  const own = namespace === undefined ? 'ClusterRoleBinding' : 'RoleBinding';
  return { apiVersion, kind: own, metadata, roleRef, subjects };
}

/** `get pods/log a/name` in the core group; `get /path`. */
function ask(user: User, text: string): Attributes {
  const [verb = '', what = '', where] = text.split(' ');
  if (what.startsWith('/')) return { user, verb, path: what };
  const [resource = '', group = ''] = what.split('@');
  const [plural = '', subresource] = resource.split('/');
  const [namespace, name] = where?.split('/') ?? [];
  return {
    user,
    verb,
    resource: {
      group,
      version: 'v1',
      plural,
      ...(subresource && { subresource }),
      ...(namespace && { namespace }),
      ...(name && { name }),
    },
  };
}

async function allows(authorizer: Authorizer, user: User, text: string): Promise<boolean> {
  return (await authorizer(ask(user, text))).allowed;
}

const user: Subject = { kind: 'User', name: 'joe', apiGroup: API_GROUP };

test('rbac: a rule is about its verbs, groups, resources, subresources and names', async () => {
  const authorizer = rbacAuthorizer(
    objectsOf(
      role('a', 'r', [
        { verbs: ['get', 'list'], apiGroups: [''], resources: ['pods', 'pods/log'] },
        { verbs: ['*'], apiGroups: ['apps'], resources: ['*/scale'] },
        { verbs: ['get', 'create'], apiGroups: [''], resources: ['secrets'], resourceNames: ['s'] },
      ]),
      binding('a', ['Role', 'r'], user),
    ),
  );
  const check = async (text: string, expected: boolean): Promise<void> =>
    assert.equal(await allows(authorizer, joe, text), expected, text);
  await check('list pods a', true);
  await check('get pods/log a/p', true);
  await check('get pods/exec a/p', false);
  await check('delete pods a/p', false);
  await check('list pods b', false);
  await check('list pods', false);
  await check('list pods@apps a', false);
  await check('update deployments/scale@apps a/d', true);
  await check('update deployments@apps a/d', false);
  await check('get secrets a/s', true);
  await check('get secrets a/other', false);
  await check('list secrets a', false);
  await check('create secrets a', false);
});

test('rbac: a ClusterRole counts everywhere when bound in the cluster, and in one namespace when bound there', async () => {
  const authorizer = rbacAuthorizer(
    objectsOf(
      binding('a', ['ClusterRole', 'view'], user),
      binding(undefined, ['ClusterRole', 'edit'], {
        kind: 'ServiceAccount',
        name: 'robot',
        namespace: 'b',
      }),
    ),
  );
  const robot: User = { name: 'system:serviceaccount:b:robot', groups: [] };
  assert.equal(await allows(authorizer, joe, 'list pods a'), true);
  assert.equal(await allows(authorizer, joe, 'list pods b'), false);
  assert.equal(await allows(authorizer, robot, 'create pods a'), true);
  assert.equal(await allows(authorizer, robot, 'create pods zzz'), true);
  const named: User = { ...robot, name: 'system:serviceaccount:a:robot' };
  assert.equal(await allows(authorizer, named, 'create pods a'), false);
});

test('rbac: says by which binding it allowed', async () => {
  const authorizer = rbacAuthorizer(objectsOf(binding('a', ['ClusterRole', 'view'], user)));
  assert.equal(
    (await authorizer(ask(joe, 'get /healthz'))).reason,
    'RBAC: allowed by ClusterRoleBinding "system:discovery" of ClusterRole "system:discovery" to Group "system:authenticated"',
  );
  assert.equal(
    (await authorizer(ask(joe, 'list pods a'))).reason,
    'RBAC: allowed by RoleBinding "view-binding/a" of ClusterRole "view" to User "joe"',
  );
});

test('rbac: paths are matched whole or by their beginning, and only by cluster-wide rules', async () => {
  const metrics = [{ verbs: ['get'], nonResourceURLs: ['/metrics'] }];
  const authorizer = rbacAuthorizer(
    objectsOf(role('a', 'r', metrics), binding('a', ['Role', 'r'], user)),
  );
  assert.equal(await allows(authorizer, joe, 'get /apis/apps/v1'), true);
  assert.equal(await allows(authorizer, joe, 'get /apisx'), false);
  assert.equal(await allows(authorizer, joe, 'post /apis'), false);
  assert.equal(await allows(authorizer, joe, 'get /metrics'), false);
  const anonymous: User = { name: 'system:anonymous', groups: ['system:unauthenticated'] };
  assert.equal(await allows(authorizer, anonymous, 'get /readyz'), true);
  assert.equal(await allows(authorizer, anonymous, 'get /apis'), false);
});

test('rbac: a decision follows the objects at once', async () => {
  const objects = objectsOf();
  const authorizer = rbacAuthorizer(objects);
  const bound = binding('a', ['ClusterRole', 'view'], user);
  objects.put(bound);
  assert.equal(await allows(authorizer, joe, 'list pods a'), true);
  objects.remove(bound);
  assert.equal(await allows(authorizer, joe, 'list pods a'), false);
  objects.put(bound);
  objects.clear('RoleBinding');
  assert.equal(await allows(authorizer, joe, 'list pods a'), false);
});

test('rbac: admin includes edit includes view, with Knative’s kinds and add-ons by label', async () => {
  const addOn: RbacObject = {
    apiVersion,
    kind: 'ClusterRole',
    metadata: { name: 'x', labels: { 'rbac.authorization.k8s.io/aggregate-to-view': 'true' } },
    rules: [{ verbs: ['get'], apiGroups: ['example.com'], resources: ['widgets'] }],
  };
  const levels = ['view', 'edit', 'admin'] as const;
  const expected: [string, (typeof levels)[number]][] = [
    ['list pods a', 'view'],
    ['get pods/log a/p', 'view'],
    ['watch services@serving.knative.dev a', 'view'],
    ['get ingresses@networking.internal.knative.dev a/i', 'view'],
    ['get widgets@example.com a/w', 'view'],
    ['get secrets a/s', 'edit'],
    ['create services@serving.knative.dev a', 'edit'],
    ['patch deployments@apps a/d', 'edit'],
    ['create pods/exec a/p', 'edit'],
    ['create rolebindings@rbac.authorization.k8s.io a', 'admin'],
    ['deletecollection services@serving.knative.dev a', 'admin'],
  ];
  for (const [index, level] of levels.entries()) {
    const authorizer = rbacAuthorizer(objectsOf(addOn, binding('a', ['ClusterRole', level], user)));
    for (const [text, from] of expected) {
      const want = levels.indexOf(from) <= index;
      assert.equal(await allows(authorizer, joe, text), want, `${level}: ${text}`);
    }
    assert.equal(
      await allows(authorizer, joe, 'update ingresses@networking.internal.knative.dev a/i'),
      false,
    );
    assert.equal(await allows(authorizer, joe, 'update resourcequotas a/q'), false);
  }
});

test('rbac: the gateway reads what it routes by, and no Secret', async () => {
  const authorizer = rbacAuthorizer(objectsOf());
  const gateway: User = { name: GATEWAY_USER, groups: ['system:authenticated'] };
  for (const text of ['watch services', 'list endpointslices@discovery.k8s.io']) {
    assert.equal(await allows(authorizer, gateway, text), true, text);
  }
  const status = 'patch ingresses/status@networking.internal.knative.dev a/i';
  assert.equal(await allows(authorizer, gateway, status), true);
  for (const text of ['get secrets a/s', 'list secrets', 'create pods a', 'delete services a/s']) {
    assert.equal(await allows(authorizer, gateway, text), false, text);
  }
});

test('authorization: the gateway lists and watches certificates, and no Secret besides', async () => {
  const authorizer = withServingSecrets(rbacAuthorizer(objectsOf()));
  const gateway: User = { name: GATEWAY_USER, groups: ['system:authenticated'] };
  const secrets = { group: '', version: 'v1', plural: 'secrets' };
  const isAllowed = async (verb: string, resource: object, user = gateway): Promise<boolean> =>
    (await authorizer({ user, verb, resource: { ...secrets, ...resource } })).allowed;
  const certificates = { fieldSelector: 'type=kubernetes.io/tls' };
  assert.equal(await isAllowed('list', certificates), true);
  assert.equal(await isAllowed('watch', certificates), true);
  for (const [verb, resource] of [
    ['list', {}],
    ['watch', { fieldSelector: 'type!=kubernetes.io/tls' }],
    ['list', { fieldSelector: 'type=Opaque' }],
    ['get', { ...certificates, name: 'a', namespace: 'b' }],
    ['deletecollection', certificates],
    ['list', { ...certificates, plural: 'configmaps' }],
    ['list', { ...certificates, subresource: 'status' }],
  ] as const) {
    assert.equal(await isAllowed(verb, resource), false, JSON.stringify([verb, resource]));
  }
  const joe: User = { name: 'joe', groups: ['system:authenticated'] };
  assert.equal(await isAllowed('list', certificates, joe), false);
});

test('rbac: an admin of one namespace can do nothing in another, by any verb, kind or subresource', async () => {
  const account: Subject = { kind: 'ServiceAccount', name: 'robot', namespace: 'a' };
  const authorizer = rbacAuthorizer(objectsOf(binding('a', ['ClusterRole', 'admin'], account)));
  const robot: User = {
    name: 'system:serviceaccount:a:robot',
    groups: ['system:serviceaccounts', 'system:serviceaccounts:a', 'system:authenticated'],
  };
  const kinds: Kind[] = [
    Pod,
    Secret,
    ConfigMap,
    Service,
    ServiceAccount,
    Event,
    Deployment,
    RoleBinding,
  ];
  const knative = { group: 'serving.knative.dev', version: 'v1', plural: 'services' };
  const verbs = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'];
  const more = ['impersonate', 'bind', 'escalate', '*'];
  const subresources = [undefined, 'status', 'scale', 'log', 'exec', 'token', 'binding', 'proxy'];
  let asked = 0;
  for (const { group, version, plural } of [...kinds, knative]) {
    for (const verb of [...verbs, ...more]) {
      for (const subresource of subresources) {
        for (const name of [undefined, 'x', 'a/x', '../a']) {
          for (const namespace of ['b', undefined, 'A', 'a ']) {
            const resource = {
              group,
              version,
              plural,
              ...(subresource && { subresource }),
              ...(name && { name }),
              ...(namespace && { namespace }),
            };
            const { allowed } = await authorizer({ user: robot, verb, resource });
            assert.equal(allowed, false, JSON.stringify({ verb, resource }));
            asked += 1;
          }
        }
      }
    }
  }
  assert.ok(asked > 10_000, `only ${asked} were asked`);
  assert.equal(await allows(authorizer, robot, 'delete secrets a/x'), true);
});

test('rbac: a refusal has Kubernetes’ words', () => {
  const check = (text: string, expected: string): void =>
    assert.equal(forbiddenRequest(ask(joe, text)).message, expected);
  check(
    'list pods default',
    'pods is forbidden: User "joe" cannot list resource "pods" in API group "" in the namespace "default"',
  );
  check(
    'update deployments/scale@apps default/x',
    'deployments.apps "x" is forbidden: User "joe" cannot update resource "deployments/scale" in API group "apps" in the namespace "default"',
  );
  check(
    'list nodes',
    'nodes is forbidden: User "joe" cannot list resource "nodes" in API group "" at the cluster scope',
  );
  check('get /metrics', 'forbidden: User "joe" cannot get path "/metrics"');
});
