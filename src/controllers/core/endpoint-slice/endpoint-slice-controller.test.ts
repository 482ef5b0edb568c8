import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pod } from '#api/core-v1/pod.ts';
import { Service } from '#api/core-v1/service.ts';
import { EndpointSlice } from '#api/discovery-v1/endpoint-slice.ts';
import { controllerOf } from '#api/meta/object-meta.ts';
import { endpointSliceController } from '#controllers/core/endpoint-slice/endpoint-slice-controller.ts';
import { startCluster, type Cluster } from '#test/support/cluster.ts';
import { fixture } from '#test/support/fixture.ts';
import { podIs } from '#test/support/pods.ts';

const controllers = [endpointSliceController];

function service(spec = ''): Service {
  return fixture(`
    apiVersion: v1
    kind: Service
    metadata: { name: web, namespace: default, labels: { team: a } }
    spec:
      ${spec}
      selector: { app: web }
      ports:
        - { name: http, port: 80, targetPort: user-port }
        - { name: plain, port: 81, targetPort: 9000 }
  `);
}

/** A pod whose port named user-port is `port`. */
function pod(name: string, port: number): Pod {
  return fixture(`
    apiVersion: v1
    kind: Pod
    metadata: { name: ${name}, namespace: default, labels: { app: web } }
    spec:
      nodeName: node-a
      containers:
        - { name: web, image: example.com/web, ports: [{ name: user-port, containerPort: ${port} }] }
  `);
}

async function slices({ client }: Cluster): Promise<readonly EndpointSlice[]> {
  const { items } = await client.list(EndpointSlice, { namespace: 'default' });
  return items.toSorted((a, b) => ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1));
}

async function conditions(cluster: Cluster): Promise<Record<string, unknown>> {
  const endpoints = (await slices(cluster)).flatMap((slice) => slice.endpoints);
  const rows = endpoints.map((one) => [
    one.addresses[0],
    Object.values(one.conditions ?? {}).join(),
  ]);
  return Object.fromEntries(rows) as Record<string, unknown>;
}

test('endpoint slice: says where the pods of a service are', async () => {
  await using cluster = await startCluster({ controllers });
  const { client } = cluster;
  const made = await client.create(Service, service());
  await cluster.settled();
  assert.deepEqual(
    (await slices(cluster)).map(({ endpoints }) => endpoints),
    [[]],
  );
  const a = await client.create(Pod, pod('a', 8080));
  await podIs(cluster, a, { ready: 'True', number: 1 });
  await cluster.settled();
  const [slice] = await slices(cluster);
  assert.equal(slice && controllerOf(slice)?.uid, made.metadata.uid);
  assert.deepEqual(slice?.metadata.labels, {
    team: 'a',
    'kubernetes.io/service-name': 'web',
    'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
  });
  assert.deepEqual(slice.ports, [
    { name: 'http', port: 8080, protocol: 'TCP' },
    { name: 'plain', port: 9000, protocol: 'TCP' },
  ]);
  assert.deepEqual(slice.endpoints, [
    {
      addresses: ['10.0.0.1'],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: 'node-a',
      targetRef: { kind: 'Pod', namespace: 'default', name: 'a', uid: a.metadata.uid },
    },
  ]);
  await cluster.steady();
});

test('endpoint slice: pods whose named port differs are in slices of their own', async () => {
  await using cluster = await startCluster({ controllers });
  const { client } = cluster;
  await client.create(Service, service());
  for (const [at, port] of [8080, 8081, 8080].entries()) {
    const one = await client.create(Pod, pod(`pod-${at}`, port));
    await podIs(cluster, one, { ready: 'True', number: at });
  }
  await cluster.settled();
  assert.deepEqual(
    (await slices(cluster)).map(({ ports, endpoints }) => [ports?.[0]?.port, endpoints.length]),
    [
      [8080, 2],
      [8081, 1],
    ],
  );
  await client.delete(Pod, { namespace: 'default', name: 'pod-1' }, { gracePeriodSeconds: 0 });
  await cluster.settled();
  assert.equal((await slices(cluster)).length, 1);
  await cluster.steady();
});

test('endpoint slice: a pod that is not ready, or ends, is listed as such', async () => {
  await using cluster = await startCluster({ controllers });
  const { client } = cluster;
  await client.create(Service, service());
  for (const [at, ready] of (['True', 'False', 'True'] as const).entries()) {
    const one = await client.create(Pod, pod(`pod-${at}`, 8080));
    await podIs(cluster, one, { ready, number: at });
  }
  await client.create(Pod, pod('without-address', 8080));
  await client.delete(Pod, { namespace: 'default', name: 'pod-2' });
  await cluster.settled();
  assert.deepEqual(await conditions(cluster), {
    '10.0.0.0': 'true,true,false',
    '10.0.0.1': 'false,false,false',
    '10.0.0.2': 'false,true,true',
  });
  await cluster.steady();
});

test('endpoint slice: a service may publish pods that are not ready', async () => {
  await using cluster = await startCluster({ controllers });
  const { client } = cluster;
  await client.create(Service, service('publishNotReadyAddresses: true'));
  const one = await client.create(Pod, pod('a', 8080));
  await podIs(cluster, one, { ready: 'False', number: 1 });
  await cluster.settled();
  assert.deepEqual(await conditions(cluster), { '10.0.0.1': 'true,false,false' });
  await cluster.steady();
});

test('endpoint slice: slices of others stay, and a service without a selector has none of ours', async () => {
  await using cluster = await startCluster({ controllers });
  const { client } = cluster;
  const { spec, ...rest } = service();
  const { selector: _, ...open } = spec ?? {};
  await client.create(Service, { ...rest, spec: open });
  const foreign = fixture<EndpointSlice>(`
    apiVersion: discovery.k8s.io/v1
    kind: EndpointSlice
    metadata: { name: by-hand, namespace: default, labels: { kubernetes.io/service-name: web } }
    addressType: IPv4
    endpoints: [{ addresses: [10.1.2.3] }]
  `);
  await client.create(EndpointSlice, foreign);
  await client.create(Pod, pod('a', 8080));
  await cluster.settled();
  assert.deepEqual(
    (await slices(cluster)).map(({ metadata }) => metadata.name),
    ['by-hand'],
  );
  await cluster.steady();
});
