import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import type { ClusterRole } from '#api/rbac-v1/cluster-role.ts';
import { servingRoles } from '#apiserver/authorization/serving-roles.ts';
import type { ClusterUnderTest } from '#test/support/cluster-under-test.ts';
import { made, until } from '#test/support/observe.ts';
import { servingUnderTest } from '#test/support/serving-under-test.ts';
import { at, type WireClient } from '#test/support/wire.ts';

const RBAC = '/apis/rbac.authorization.k8s.io/v1';
const REVIEWS = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
const SERVING = 'serving.knative.dev';
/** A binding counts a moment after it was written, and a real server tells nobody when. */
const COUNTS_WITHIN_MS = 10_000;
const SAMPLE = path.resolve(import.meta.dirname, '../../samples/kubernetes/roles.yaml');

let ready: Promise<ClusterUnderTest> | undefined;

async function withRoles(): Promise<ClusterUnderTest> {
  ready ??= servingUnderTest().then(async (cluster) => {
    // A Kubernetes that is not ours has them from the sample.
    if (cluster.isReal) {
      for (const role of sample()) await made(cluster, `${RBAC}/clusterroles`, role);
    }
    return cluster;
  });
  return await ready;
}

function sample(): ClusterRole[] {
  return parseAllDocuments(readFileSync(SAMPLE, 'utf8')).map((each) => each.toJS() as ClusterRole);
}

interface Somebody {
  readonly client: WireClient;
  readonly namespace: string;
  /** What `kubectl auth can-i VERB RESOURCE` prints for them in their namespace. */
  readonly canI: (question: string) => Promise<boolean>;
}

/** Somebody who has these ClusterRoles in a namespace of their own, once that counts. */
async function holderOf(cluster: ClusterUnderTest, ...roles: string[]): Promise<Somebody> {
  const namespace = await cluster.namespace();
  const accounts = `/api/v1/namespaces/${namespace}/serviceaccounts`;
  await made(cluster, accounts, { metadata: { name: 'joe' } });
  const token = at(await made(cluster, `${accounts}/joe/token`, { spec: {} }), 'status.token');
  const client = cluster.as(String(token));
  for (const name of roles) {
    await made(cluster, `${RBAC}/namespaces/${namespace}/rolebindings`, {
      metadata: { name },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
      subjects: [{ kind: 'ServiceAccount', name: 'joe', namespace }],
    });
  }
  const canI = async (question: string): Promise<boolean> => {
    const [verb, what = ''] = question.split(' ');
    const [resource, ...group] = what.split('.');
    const resourceAttributes = { namespace, verb, resource, group: group.join('.') };
    const asked = await client.send('POST', REVIEWS, { spec: { resourceAttributes } });
    return at(asked.body, 'status.allowed') === true;
  };
  const deadline = AbortSignal.timeout(COUNTS_WITHIN_MS);
  for (const name of roles) while (!(await canI(WITNESS[name] ?? ''))) deadline.throwIfAborted();
  return { client, namespace, canI };
}

/** Something that each role allows. */
const WITNESS: Readonly<Record<string, string>> = {
  admin: `deletecollection services.${SERVING}`,
  edit: `create services.${SERVING}`,
  view: `get services.${SERVING}`,
  'knative-serving-namespaced-edit': `create services.${SERVING}`,
  'knative-serving-admin': `create revisions.${SERVING}`,
  'knative-serving-aggregated-addressable-resolver': `get routes.${SERVING}`,
  'knative-serving-podspecable-binding': `patch services.${SERVING}`,
};

test('serving roles: they are there under Knative’s names, and gather what carries their label', async () => {
  const cluster = await withRoles();
  for (const { metadata, rules, aggregationRule } of servingRoles) {
    const target = `${RBAC}/clusterroles/${metadata.name}`;
    const isWhole = (role: unknown): boolean => ((at(role, 'rules') ?? []) as []).length > 0;
    const role = await until(cluster, target, isWhole);
    const name = metadata.name ?? '';
    const labels = at(role, 'metadata.labels');
    assert.deepEqual({ ...(labels as object), ...metadata.labels }, labels, name);
    if (rules) assert.deepEqual(at(role, 'rules'), rules, name);
    const [selector] = aggregationRule?.clusterRoleSelectors ?? [];
    if (!selector) continue;
    const gathered = servingRoles.filter((each) =>
      Object.keys(selector.matchLabels ?? {}).every(
        (key) => each.metadata.labels?.[key] === 'true',
      ),
    );
    assert.ok(gathered.length > 0, name);
    for (const each of gathered) assert.deepEqual(at(role, 'rules'), each.rules, name);
  }
});

test('serving roles: a Kubernetes of others has the same ones from the sample', () => {
  assert.deepEqual(sample(), servingRoles);
});

test('serving roles: an author of Services can deploy, and sees no Secret', async () => {
  const cluster = await withRoles();
  const author = await holderOf(cluster, 'view', 'knative-serving-namespaced-edit');
  const { client, namespace, canI } = author;
  await made(cluster, `/api/v1/namespaces/${namespace}/secrets`, {
    metadata: { name: 'theirs' },
    stringData: { password: 'hidden' },
  });
  const services = `/apis/${SERVING}/v1/namespaces/${namespace}/services`;
  const spec = { containers: [{ image: 'registry.example.com/hello' }] };
  const object = await made(client, services, {
    apiVersion: `${SERVING}/v1`,
    kind: 'Service',
    metadata: { name: 'hello' },
    spec: { template: { spec } },
  });
  const annotations = at(object, 'metadata.annotations') as Record<string, string>;
  assert.equal(annotations[`${SERVING}/creator`], `system:serviceaccount:${namespace}:joe`);
  assert.equal((await client.send('GET', `${services}/hello`)).status, 200);
  for (const path of ['secrets', 'secrets/theirs', 'secrets?watch=1']) {
    const { status, body } = await client.send('GET', `/api/v1/namespaces/${namespace}/${path}`);
    assert.equal(status, 403, path);
    assert.doesNotMatch(JSON.stringify(body), /hidden/);
  }
  for (const [question, expected] of Object.entries({
    [`create services.${SERVING}`]: true,
    [`patch routes.${SERVING}`]: true,
    [`delete revisions.${SERVING}`]: true,
    [`create domainmappings.${SERVING}`]: true,
    [`deletecollection services.${SERVING}`]: false,
    'get ingresses.networking.internal.knative.dev': true,
    'update ingresses.networking.internal.knative.dev': false,
    'patch podautoscalers.autoscaling.internal.knative.dev': false,
    'create pods': false,
    'get secrets': false,
    'list pods': true,
  })) {
    assert.equal(await canI(question), expected, question);
  }
  assert.equal((await client.send('DELETE', `${services}/hello`)).status, 200);
});

test('serving roles: what each allows, and what it does not', async () => {
  const cluster = await withRoles();
  const questions = {
    view: { [`list services.${SERVING}`]: true, [`create services.${SERVING}`]: false },
    edit: { [`create services.${SERVING}`]: true, 'get secrets': true, 'create roles': false },
    admin: {
      [`deletecollection revisions.${SERVING}`]: true,
      'create roles.rbac.authorization.k8s.io': true,
      'delete images.caching.internal.knative.dev': false,
    },
    'knative-serving-admin': {
      'update certificates.networking.internal.knative.dev': true,
      'patch deployments.apps': true,
      'create roles.rbac.authorization.k8s.io': false,
    },
    'knative-serving-aggregated-addressable-resolver': {
      [`watch services.${SERVING}`]: true,
      [`get configurations.${SERVING}`]: false,
      [`patch services.${SERVING}`]: false,
    },
    'knative-serving-podspecable-binding': {
      [`list configurations.${SERVING}`]: true,
      [`patch routes.${SERVING}`]: false,
      [`create services.${SERVING}`]: false,
    },
  };
  for (const [role, expected] of Object.entries(questions)) {
    const { canI } = await holderOf(cluster, role);
    for (const [question, allowed] of Object.entries(expected)) {
      assert.equal(await canI(question), allowed, `${role}: ${question}`);
    }
  }
});
