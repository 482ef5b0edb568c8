import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '#base/fake-clock.ts';
import type { NodeMetrics } from '#api/metrics-v1beta1/node-metrics.ts';
import type { PodMetrics } from '#api/metrics-v1beta1/pod-metrics.ts';
import { discoveryRoutes } from '#apiserver/discovery/discovery-routes.ts';
import { metricsRoutes } from '#apiserver/metrics/metrics-routes.ts';
import { openApiRoutes } from '#apiserver/openapi/openapi-routes.ts';
import { coreKinds } from '#api/kinds.ts';
import { at, startWire, type Wire } from '#test/support/wire.ts';

const ROOT = '/apis/metrics.k8s.io/v1beta1';
const apiVersion = 'metrics.k8s.io/v1beta1';
const measured = { timestamp: '2026-01-01T00:00:00Z', window: '15s' };
const TABLE = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json' };

function podMetrics(namespace: string, name: string, ...cpus: string[]): PodMetrics {
  return {
    apiVersion,
    kind: 'PodMetrics',
    metadata: { namespace, name, labels: { app: name } },
    ...measured,
    containers: cpus.map((cpu, index) => ({ name: `c${index}`, usage: { cpu, memory: '1Mi' } })),
  };
}

const node: NodeMetrics = {
  apiVersion,
  kind: 'NodeMetrics',
  metadata: { name: 'n' },
  ...measured,
  usage: { cpu: '250m', memory: '64Mi' },
};

function start(): Promise<Wire> {
  const pods = [podMetrics('b', 'x', '5m'), podMetrics('a', 'y', '100m', '20m')];
  const reader = { pods: () => pods, nodes: () => [node] };
  const routes = [
    ...metricsRoutes(reader, new FakeClock()),
    ...discoveryRoutes(() => coreKinds),
    ...openApiRoutes(() => coreKinds),
  ];
  return startWire({ routes });
}

async function names(wire: Wire, target: string): Promise<unknown> {
  const { status, body } = await wire.send('GET', `${ROOT}${target}`);
  assert.equal(status, 200, target);
  return (at(body, 'items') as object[]).map((item) => at(item, 'metadata.name'));
}

test('metrics: pods and nodes are listed by namespace and selectors, in order', async () => {
  await using wire = await start();
  const { body } = await wire.send('GET', `${ROOT}/pods`);
  assert.equal(at(body, 'kind'), 'PodMetricsList');
  assert.equal(at(body, 'apiVersion'), apiVersion);
  assert.deepEqual(at(body, 'items.1'), podMetrics('b', 'x', '5m'));
  assert.deepEqual(await names(wire, '/pods'), ['y', 'x']);
  assert.deepEqual(await names(wire, '/namespaces/a/pods'), ['y']);
  assert.deepEqual(await names(wire, '/namespaces/c/pods'), []);
  assert.deepEqual(await names(wire, '/pods?labelSelector=app%3Dx'), ['x']);
  assert.deepEqual(await names(wire, '/pods?fieldSelector=metadata.name%3Dy'), ['y']);
  assert.deepEqual(await names(wire, '/nodes'), ['n']);
});

test('metrics: one is got by its name', async () => {
  await using wire = await start();
  const found = await wire.send('GET', `${ROOT}/nodes/n`);
  assert.deepEqual([found.status, found.body], [200, node]);
  const pod = await wire.send('GET', `${ROOT}/namespaces/b/pods/x`);
  assert.deepEqual(pod.body, podMetrics('b', 'x', '5m'));
  const missing = await wire.send('GET', `${ROOT}/namespaces/a/pods/x`);
  assert.equal(missing.status, 404);
  assert.equal(at(missing.body, 'message'), 'pods.metrics.k8s.io "x" not found');
  for (const nowhere of ['/pods/x', '/namespaces/a/nodes', '/nodes/n/status']) {
    assert.equal((await wire.send('GET', `${ROOT}${nowhere}`)).status, 404, nowhere);
  }
});

test('metrics: a table adds up what the containers of a pod use', async () => {
  await using wire = await start();
  const { body } = await wire.send('GET', `${ROOT}/pods`, undefined, { headers: TABLE });
  const columns = at(body, 'columnDefinitions') as object[];
  assert.deepEqual(
    columns.map((column) => at(column, 'name')),
    ['Name', 'CPU', 'Memory', 'Window'],
  );
  assert.deepEqual(at(body, 'rows.0.cells'), ['y', '120m', '2Mi', '15s']);
  const nodes = await wire.send('GET', `${ROOT}/nodes/n`, undefined, { headers: TABLE });
  assert.deepEqual(at(nodes.body, 'rows.0.cells'), ['n', '250m', '64Mi', '15s']);
});

test('metrics: what is measured is neither written nor watched', async () => {
  await using wire = await start();
  const refused = [
    await wire.send('POST', `${ROOT}/namespaces/a/pods`, {}),
    await wire.send('DELETE', `${ROOT}/nodes/n`),
    await wire.send('GET', `${ROOT}/pods?watch=true`),
  ];
  assert.deepEqual(
    refused.map(({ status }) => status),
    [405, 405, 405],
  );
});

test('metrics: discovery and OpenAPI tell of them', async () => {
  await using wire = await start();
  const { body } = await wire.send('GET', ROOT);
  assert.deepEqual(at(body, 'resources.1'), {
    name: 'pods',
    singularName: '',
    namespaced: true,
    kind: 'PodMetrics',
    verbs: ['get', 'list'],
  });
  const openApi = await wire.send('GET', `/openapi/v3${ROOT}`);
  const schemas = at(openApi.body, 'components.schemas') as Readonly<Record<string, unknown>>;
  const schema = schemas['io.k8s.metrics.v1beta1.PodMetrics'];
  assert.equal(at(schema, 'properties.containers.type'), 'array');
});
