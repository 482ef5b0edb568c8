import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bodyText } from '#base/http-message.ts';
import { accessReviewRoutes } from '#apiserver/authorization/access-reviews.ts';
import { bootstrapRbac } from '#apiserver/authorization/bootstrap-roles.ts';
import { RbacObjects } from '#apiserver/authorization/rbac-objects.ts';
import { rbacAuthorizer } from '#apiserver/authorization/rbac.ts';
import type { User } from '#apiserver/user.ts';

const joe: User = { name: 'joe', groups: ['system:authenticated'] };
const root: User = { name: 'root', groups: ['system:masters'] };

async function review(plural: string, spec: object, user = joe): Promise<unknown> {
  const objects = new RbacObjects();
  for (const object of bootstrapRbac()) objects.put(object);
  const routes = accessReviewRoutes({ authorizer: rbacAuthorizer(objects), objects });
  const target = `/apis/authorization.k8s.io/v1/${plural}`;
  const route = routes.find((candidate) => candidate.matches('POST', target));
  assert.ok(route, target);
  const reply = await route.handle({
    method: 'POST',
    target: `${target}?timeout=30s`,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ spec }),
    signal: AbortSignal.timeout(5000),
    user,
  });
  assert.equal(reply.status, 201);
  return (JSON.parse(await bodyText(reply.body)) as { status: unknown }).status;
}

const listPods = { resourceAttributes: { namespace: 'a', verb: 'list', resource: 'pods' } };
const healthz = { nonResourceAttributes: { path: '/healthz', verb: 'get' } };

test('can-i: answers for who asks', async () => {
  assert.deepEqual(await review('selfsubjectaccessreviews', listPods), { allowed: false });
  assert.deepEqual(await review('selfsubjectaccessreviews', listPods, root), { allowed: true });
  assert.deepEqual(await review('selfsubjectaccessreviews', healthz), {
    allowed: true,
    reason:
      'RBAC: allowed by ClusterRoleBinding "system:discovery" of ClusterRole "system:discovery" to Group "system:authenticated"',
  });
});

test('can they: answers for another', async () => {
  const spec = { ...listPods, user: 'x', groups: ['system:masters'] };
  assert.deepEqual(await review('subjectaccessreviews', spec), { allowed: true });
  const local = 'namespaces/a/localsubjectaccessreviews';
  assert.deepEqual(await review(local, { ...listPods, user: 'x' }), { allowed: false });
});

test('a review that asks nothing, or too much, is invalid', async () => {
  const refused = async (plural: string, spec: object, text: RegExp): Promise<void> =>
    await assert.rejects(review(plural, spec), text);
  await refused('selfsubjectaccessreviews', {}, /exactly one of nonResourceAttributes or/);
  await refused('selfsubjectaccessreviews', { ...listPods, ...healthz }, /in combination/);
  await refused('selfsubjectaccessreviews', { resourceAttributes: 'x' }, /spec.resourceAttributes/);
  await refused('subjectaccessreviews', listPods, /at least one of user or group/);
  const local = 'namespaces/b/localsubjectaccessreviews';
  await refused(local, { ...listPods, user: 'x' }, /must match metadata.namespace/);
  await refused('selfsubjectrulesreviews', {}, /no namespace on request/);
});

test('can-i --list: lists the rules that count in a namespace', async () => {
  const status = (await review('selfsubjectrulesreviews', { namespace: 'a' })) as {
    resourceRules: { resources: string[] }[];
    nonResourceRules: { nonResourceURLs: string[] }[];
    incomplete: boolean;
  };
  const resources = status.resourceRules.flatMap((rule) => rule.resources);
  assert.ok(resources.includes('selfsubjectaccessreviews'));
  assert.ok(status.nonResourceRules.some((rule) => rule.nonResourceURLs.includes('/apis/*')));
  assert.equal(status.incomplete, false);
});
