import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bodyText, type HttpReply } from '#base/http-message.ts';
import { Service as KnativeService } from '#api/serving-v1/service.ts';
import type { Kind } from '#api/kind.ts';
import { hasReason } from '#api/meta/api-error.ts';
import { discoveryRoutes } from '#apiserver/discovery/discovery-routes.ts';
import { compareVersions } from '#apiserver/discovery/group-version.ts';
import { healthRoutes } from '#apiserver/discovery/health-routes.ts';
import { versionRoute } from '#apiserver/discovery/version-route.ts';
import type { Route } from '#apiserver/route.ts';
import { coreKinds } from '#api/kinds.ts';

const kinds: readonly Kind[] = [...coreKinds, KnativeService];

async function get(
  routes: readonly Route[],
  target: string,
  headers: Record<string, string> = {},
): Promise<HttpReply> {
  const route = routes.find((each) => each.matches('GET', target.split('?')[0] ?? ''));
  assert.ok(route, `${target} has no route`);
  const user = { name: 'joe', groups: [] };
  return await route.handle({
    method: 'GET',
    target,
    headers,
    signal: AbortSignal.timeout(5000),
    user,
  });
}

async function json(target: string, headers?: Record<string, string>): Promise<unknown> {
  const reply = await get(
    discoveryRoutes(() => kinds),
    target,
    headers,
  );
  assert.equal(reply.status, 200);
  return JSON.parse(await bodyText(reply.body));
}

interface Resources {
  readonly resources: readonly Record<string, unknown>[];
}

async function resource(target: string, name: string): Promise<unknown> {
  const { resources } = (await json(target)) as Resources;
  return resources.find((each) => each['name'] === name);
}

test('discovery: a resource is told with its names, verbs and subresources', async () => {
  assert.deepEqual(await resource('/api/v1', 'pods'), {
    name: 'pods',
    singularName: 'pod',
    namespaced: true,
    kind: 'Pod',
    verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
    shortNames: ['po'],
    categories: ['all'],
  });
  assert.deepEqual(await resource('/api/v1', 'serviceaccounts/token'), {
    name: 'serviceaccounts/token',
    singularName: '',
    namespaced: true,
    group: 'authentication.k8s.io',
    version: 'v1',
    kind: 'TokenRequest',
    verbs: ['create'],
  });
  assert.deepEqual(await resource('/apis/apps/v1', 'deployments/scale'), {
    name: 'deployments/scale',
    singularName: '',
    namespaced: true,
    group: 'autoscaling',
    version: 'v1',
    kind: 'Scale',
    verbs: ['get', 'patch', 'update'],
  });
  assert.deepEqual(await resource('/apis/authorization.k8s.io/v1', 'selfsubjectaccessreviews'), {
    name: 'selfsubjectaccessreviews',
    singularName: 'selfsubjectaccessreview',
    namespaced: false,
    kind: 'SelfSubjectAccessReview',
    verbs: ['create'],
  });
});

test('discovery: groups and their versions', async () => {
  assert.deepEqual(await json('/api'), {
    kind: 'APIVersions',
    versions: ['v1'],
    serverAddressByClientCIDRs: [],
  });
  const { groups } = (await json('/apis')) as { groups: { name: string }[] };
  const names = groups.map(({ name }) => name);
  for (const name of ['apps', 'serving.knative.dev', 'authentication.k8s.io']) {
    assert.ok(names.includes(name), name);
  }
  assert.ok(!names.includes(''));
  const version = { groupVersion: 'serving.knative.dev/v1', version: 'v1' };
  assert.deepEqual(await json('/apis/serving.knative.dev'), {
    kind: 'APIGroup',
    apiVersion: 'v1',
    name: 'serving.knative.dev',
    versions: [version],
    preferredVersion: version,
  });
});

test('discovery: what is not served is not answered', () => {
  const routes = discoveryRoutes(() => kinds);
  const paths = [
    '/apis/nope',
    '/apis/apps/v9',
    '/api/v2',
    '/apis/apps/v1/deployments',
    '/apis//v1',
  ];
  for (const path of paths) {
    assert.equal(
      routes.some((route) => route.matches('GET', path)),
      false,
      path,
    );
  }
  assert.equal(
    routes.some((route) => route.matches('POST', '/apis')),
    false,
  );
});

test('discovery: all in one answer for who asks for it, the first acceptable type for the rest', async () => {
  const type = (version: string): string =>
    `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;
  const routes = discoveryRoutes(() => kinds);
  const typeFor = async (accept: string): Promise<string | undefined> =>
    (await get(routes, '/apis', { accept })).headers['content-type'];
  assert.equal(await typeFor(`${type('v2')},${type('v2beta1')},application/json`), type('v2'));
  assert.equal(await typeFor(`${type('v3')}, ${type('v2beta1')}`), type('v2beta1'));
  assert.equal(await typeFor('application/vnd.kubernetes.protobuf, */*'), 'application/json');
  await assert.rejects(typeFor('text/html'), (error) => hasReason(error, 'NotAcceptable'));
  const { items } = (await json('/apis', { accept: type('v2') })) as {
    items: { metadata: { name: string }; versions: Resources[] }[];
  };
  const apps = items.find(({ metadata }) => metadata.name === 'apps')?.versions[0];
  const deployments = apps?.resources.find((each) => each['resource'] === 'deployments');
  assert.deepEqual(deployments?.['subresources'], [
    {
      subresource: 'scale',
      responseKind: { group: 'autoscaling', version: 'v1', kind: 'Scale' },
      verbs: ['get', 'patch', 'update'],
    },
    {
      subresource: 'status',
      responseKind: { group: '', version: '', kind: 'Deployment' },
      verbs: ['get', 'patch', 'update'],
    },
  ]);
});

test('discovery: a client that has it already is told so, until the kinds change', async () => {
  let current: readonly Kind[] = coreKinds;
  const routes = discoveryRoutes(() => current);
  const { etag = '' } = (await get(routes, '/apis')).headers;
  const known = { 'if-none-match': etag };
  assert.equal((await get(routes, '/apis', known)).status, 304);
  current = kinds;
  assert.equal((await get(routes, '/apis', known)).status, 200);
});

test('discovery: versions are ordered as Kubernetes orders them', () => {
  const versions = ['foo', 'v1alpha2', 'v2', 'v1beta1', 'v10', 'v1', 'v1beta3'];
  assert.deepEqual(versions.toSorted(compareVersions), [
    'v10',
    'v2',
    'v1',
    'v1beta3',
    'v1beta1',
    'v1alpha2',
    'foo',
  ]);
});

test('version: names the Kubernetes that the schemas came from', async () => {
  const route = versionRoute({ version: '0.1.0', architecture: 'x64' });
  const body = JSON.parse(await bodyText((await get([route], '/version')).body)) as Record<
    string,
    string
  >;
  assert.match(body['gitVersion'] ?? '', /^v1\.\d+\.\d+\+knode\.0\.1\.0$/);
  assert.equal(body['gitVersion']?.split('.')[1], body['minor']);
  assert.equal(body['platform'], 'linux/amd64');
});

test('health: live from the start, ready when nothing is missing', async () => {
  let missing = ['rbac'];
  const routes = healthRoutes(() => missing);
  const textOf = async (target: string): Promise<[number, string]> => {
    const reply = await get(routes, target);
    return [reply.status, await bodyText(reply.body)];
  };
  assert.deepEqual(await textOf('/livez'), [200, 'ok']);
  assert.deepEqual(await textOf('/readyz'), [
    500,
    '[+]ping ok\n[-]rbac failed\nreadyz check failed\n',
  ]);
  assert.deepEqual(await textOf('/readyz/ping'), [200, 'ok']);
  missing = [];
  assert.deepEqual(await textOf('/readyz'), [200, 'ok']);
  assert.deepEqual(await textOf('/readyz?verbose'), [200, '[+]ping ok\nreadyz check passed\n']);
});
