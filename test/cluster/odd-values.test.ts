import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterUnderTest } from '#test/support/cluster-under-test.ts';
import { at } from '#test/support/wire.ts';

const MERGE = { headers: { 'content-type': 'application/merge-patch+json' } };

test('a null in a list or a map is the zero of its type', async () => {
  const cluster = await clusterUnderTest();
  const namespace = `/api/v1/namespaces/${await cluster.namespace()}`;
  const map = { metadata: { name: 'a' }, data: { a: null, b: 'b' } };
  const made = await cluster.send('POST', `${namespace}/configmaps`, map);
  assert.deepEqual(at(made.body, 'data'), { a: '', b: 'b' });
  const spec = { containers: [{ name: 'a', image: 'b', args: ['x', null] }, null] };
  const refused = await cluster.send('POST', `${namespace}/pods`, { metadata: map.metadata, spec });
  assert.equal(refused.status, 422);
  assert.match(String(at(refused.body, 'message')), /spec.containers\[1\].name: Required value/);
});

test('a list that must be there and is not counts as an empty one', async () => {
  const cluster = await clusterUnderTest();
  const jobs = `/apis/batch/v1/namespaces/${await cluster.namespace()}/jobs`;
  const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'a', image: 'b' }] } };
  const job = (more: object) => ({ metadata: { name: 'a' }, spec: { template, ...more } });
  const failures = await cluster.send('POST', `${jobs}?dryRun=All`, job({ podFailurePolicy: {} }));
  assert.equal(failures.status, 201);
  const indexed = { completionMode: 'Indexed', completions: 1, successPolicy: {} };
  const successes = await cluster.send('POST', jobs, job(indexed));
  assert.equal(successes.status, 422);
  assert.match(String(at(successes.body, 'message')), /rules: Required value: at least one rules/);
});

test('a patch that leaves something of another type is refused, whatever stands where the name was', async () => {
  const cluster = await clusterUnderTest();
  const maps = `/api/v1/namespaces/${await cluster.namespace()}/configmaps`;
  await cluster.send('POST', maps, { metadata: { name: 'a' } });
  for (const metadata of [{ name: [{ toString: 1 }] }, { finalizers: 'a' }, { labels: [1] }]) {
    const { status } = await cluster.send('PATCH', `${maps}/a`, { metadata }, MERGE);
    assert.equal(status, 422, JSON.stringify(metadata));
  }
});

test('an owner that is null is one that says nothing', async () => {
  const cluster = await clusterUnderTest();
  const maps = `/api/v1/namespaces/${await cluster.namespace()}/configmaps`;
  await cluster.send('POST', maps, { metadata: { name: 'a' } });
  const metadata = { managedFields: [null], labels: { a: 'b' } };
  const { status, body } = await cluster.send('PATCH', `${maps}/a`, { metadata }, MERGE);
  assert.equal(status, 200);
  assert.equal(at(body, 'metadata.labels.a'), 'b');
});

test('a namespace keeps the finalizers its author gave it, and is given Kubernetes’ own', async () => {
  const cluster = await clusterUnderTest();
  const create = (finalizers: readonly string[]) =>
    cluster.send('POST', '/api/v1/namespaces?dryRun=All', {
      metadata: { name: 'finalized' },
      spec: { finalizers },
    });
  const kept = await create(['example.com/a']);
  assert.deepEqual(at(kept.body, 'spec.finalizers'), ['example.com/a', 'kubernetes']);
  const refused = await create(['plain']);
  assert.equal(refused.status, 422);
  assert.match(String(at(refused.body, 'message')), /neither a standard finalizer name nor/);
});

test('a definition that is patched to have no versions, or no names, is refused', async () => {
  const cluster = await clusterUnderTest();
  const group = `${(await cluster.namespace()).toLowerCase()}.example.com`;
  const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  const version = {
    name: 'v1',
    served: true,
    storage: true,
    schema: { openAPIV3Schema: { type: 'object' } },
  };
  const name = `odds.${group}`;
  const names = { plural: 'odds', kind: 'Odd' };
  const spec = { group, scope: 'Namespaced', names, versions: [version] };
  const made = await cluster.send('POST', definitions, { metadata: { name }, spec });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  for (const patch of [{ versions: null }, { names: null }]) {
    const target = `${definitions}/${name}`;
    const { status } = await cluster.send('PATCH', target, { spec: patch }, MERGE);
    assert.equal(status, 422, JSON.stringify(patch));
  }
  await cluster.send('DELETE', `${definitions}/${name}`);
});

test('an element of a list by names that has an empty one is not applied', async () => {
  const cluster = await clusterUnderTest();
  const accounts = `/api/v1/namespaces/${await cluster.namespace()}/serviceaccounts`;
  const account = {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'a' },
    secrets: [{ kind: 'Secret', namespace: 'x' }],
  };
  const headers = { 'content-type': 'application/apply-patch+yaml' };
  const applied = await cluster.send('PATCH', `${accounts}/a?fieldManager=a`, account, { headers });
  assert.ok([400, 500].includes(applied.status), JSON.stringify(applied.body));
});
