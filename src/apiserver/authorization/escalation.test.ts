import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PolicyRule } from '#api/generated/rbac-v1.ts';
import { bootstrapRbac } from '#apiserver/authorization/bootstrap-roles.ts';
import { escalationCheck } from '#apiserver/authorization/escalation.ts';
import { RbacObjects, type RbacObject } from '#apiserver/authorization/rbac-objects.ts';
import { rbacAuthorizer } from '#apiserver/authorization/rbac.ts';
import type { User } from '#apiserver/user.ts';

const apiGroup = 'rbac.authorization.k8s.io';
const apiVersion = `${apiGroup}/v1`;
const joe: User = { name: 'joe', groups: ['system:authenticated'] };

function roleOf(
  rules: PolicyRule[],
  metadata: { namespace?: string } = { namespace: 'a' },
): RbacObject {
  const kind = metadata.namespace === undefined ? 'ClusterRole' : 'Role';
  return { apiVersion, kind, metadata: { name: 'x', ...metadata }, rules };
}

function bindingOf(name: string, subject = 'joe'): RbacObject {
  return {
    apiVersion,
    kind: 'RoleBinding',
    metadata: { name: 'x', namespace: 'a' },
    roleRef: { apiGroup, kind: 'ClusterRole', name },
    subjects: [{ kind: 'User', name: subject, apiGroup }],
  };
}

/** Checks writes of joe, who holds `edit` in the namespace a and the given rules there. */
function checkOf(...rules: PolicyRule[]) {
  const objects = new RbacObjects();
  const own = { ...roleOf(rules), metadata: { name: 'own', namespace: 'a' } };
  const edit = bindingOf('edit');
  const bindOwn = {
    ...bindingOf('own'),
    metadata: { name: 'own', namespace: 'a' },
    roleRef: { apiGroup, kind: 'Role', name: 'own' },
  };
  for (const object of [...bootstrapRbac(), own, edit, bindOwn]) objects.put(object);
  const check = escalationCheck(objects, rbacAuthorizer(objects));
  return async (object: RbacObject, previous?: RbacObject): Promise<string | undefined> =>
    await check({ user: joe, object, ...(previous && { previous }) }).then(
      () => undefined,
      (error: Error) => error.message,
    );
}

const podReader = { verbs: ['list', 'get'], apiGroups: [''], resources: ['pods'] };
const nodeReader = { verbs: ['list', 'get'], apiGroups: [''], resources: ['nodes'] };

test('escalation: a role of what its author holds is let through', async () => {
  const check = checkOf();
  assert.equal(await check(roleOf([podReader])), undefined);
  const one = { verbs: ['get'], apiGroups: [''], resources: ['secrets'], resourceNames: ['s'] };
  assert.equal(await check(roleOf([one])), undefined);
});

test('escalation: every rule that is not held is named, in Kubernetes’ words', async () => {
  const message = await checkOf()(
    roleOf([
      nodeReader,
      { verbs: ['get'], apiGroups: ['apps', ''], resources: ['a'], resourceNames: ['n'] },
    ]),
  );
  assert.equal(
    message,
    [
      'roles.rbac.authorization.k8s.io "x" is forbidden: user "joe" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:',
      '{APIGroups:[""], Resources:["a"], ResourceNames:["n"], Verbs:["get"]}',
      '{APIGroups:[""], Resources:["nodes"], Verbs:["list" "get"]}',
      '{APIGroups:["apps"], Resources:["a"], ResourceNames:["n"], Verbs:["get"]}',
    ].join('\n'),
  );
});

test('escalation: what is held for some names, in one namespace or for some verbs is not held for more', async () => {
  const check = checkOf({ ...nodeReader, resourceNames: ['n1'] });
  assert.equal(await check(roleOf([{ ...nodeReader, resourceNames: ['n1'] }])), undefined);
  assert.match((await check(roleOf([nodeReader]))) ?? '', /not currently held/);
  assert.match((await check(roleOf([podReader], {}))) ?? '', /^clusterroles.*not currently held/s);
  assert.match((await check(roleOf([{ ...podReader, verbs: ['*'] }]))) ?? '', /Verbs:\["\*"\]/);
  assert.match((await check(roleOf([{ ...podReader, apiGroups: ['*'] }]))) ?? '', /not currently/);
});

test('escalation: a role may be bound by who holds its rules or may bind it', async () => {
  assert.equal(await checkOf()(bindingOf('view')), undefined);
  assert.equal(await checkOf()(bindingOf('edit')), undefined);
  assert.match((await checkOf()(bindingOf('admin'))) ?? '', /^rolebindings.*not currently held/s);
  assert.match((await checkOf()(bindingOf('cluster-admin'))) ?? '', /NonResourceURLs:\["\*"\]/);
  assert.match((await checkOf()(bindingOf('nope'))) ?? '', /"nope" not found/);
  const bind = {
    verbs: ['bind'],
    apiGroups: [apiGroup],
    resources: ['clusterroles'],
    resourceNames: ['admin'],
  };
  assert.equal(await checkOf(bind)(bindingOf('admin')), undefined);
});

test('escalation: who may escalate may write any role', async () => {
  const escalate = { verbs: ['escalate'], apiGroups: [apiGroup], resources: ['roles'] };
  assert.equal(await checkOf(escalate)(roleOf([nodeReader])), undefined);
});

test('escalation: an unchanged grant passes, a changed one is checked, a roleRef never changes', async () => {
  const check = checkOf();
  assert.equal(await check(roleOf([nodeReader]), roleOf([nodeReader])), undefined);
  assert.match((await check(roleOf([nodeReader]), roleOf([podReader]))) ?? '', /not currently/);
  assert.equal(await check(bindingOf('admin'), bindingOf('admin')), undefined);
  assert.match((await check(bindingOf('admin', 'eve'), bindingOf('admin'))) ?? '', /not currently/);
  assert.match((await check(bindingOf('view'), bindingOf('edit'))) ?? '', /cannot change roleRef/);
});

test('escalation: aggregation is for cluster admins', async () => {
  const aggregationRule = { clusterRoleSelectors: [{ matchLabels: { a: 'b' } }] };
  const object = { ...roleOf([], {}), aggregationRule };
  assert.equal(
    await checkOf()(object),
    'clusterroles.rbac.authorization.k8s.io "x" is forbidden: must have cluster-admin privileges to use the aggregationRule',
  );
});
