import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Endpoints } from '#api/core-v1/endpoints.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { Service } from '#api/core-v1/service.ts';
import { EndpointSlice } from '#api/discovery-v1/endpoint-slice.ts';
import { coreKinds } from '#api/kinds.ts';
import { endpointSliceController } from '#controllers/core/endpoint-slice/endpoint-slice-controller.ts';
import { endpointsController } from '#controllers/core/endpoints/endpoints-controller.ts';
import { mirroredSlicesController } from '#controllers/core/endpoints/mirrored-slices-controller.ts';
import { garbageCollector } from '#controllers/core/garbage-collector/garbage-collector.ts';
import { fixedKinds } from '#api/served-kinds.ts';
import { startCluster, type Cluster } from '#test/support/cluster.ts';
import { fixture } from '#test/support/fixture.ts';
import { allPodsReady } from '#test/support/pods.ts';

const ref = { namespace: 'default', name: 'web' };

function start(): Promise<Cluster> {
  return startCluster({
    controllers: [endpointSliceController, endpointsController, mirroredSlicesController],
    loops: [garbageCollector(fixedKinds(coreKinds))],
  });
}

function service(spec: string): Service {
  return fixture(`{ metadata: { name: web, namespace: default }, spec: { ${spec} } }`);
}

test('endpoints: say what the slices of a Service with a selector say', async () => {
  await using cluster = await start();
  const { client } = cluster;
  await client.create(
    Service,
    service('selector: { app: web }, ports: [{ port: 80, targetPort: 8080 }]'),
  );
  const pod = fixture<Pod>(
    '{ metadata: { name: p, namespace: default, labels: { app: web } }, spec: { containers: [{ name: a, image: b }] } }',
  );
  await client.create(Pod, pod);
  await cluster.settled();
  await allPodsReady(cluster);
  await cluster.settled();
  const [subset] = (await client.get(Endpoints, ref))?.subsets ?? [];
  assert.deepEqual(
    subset?.addresses?.map(({ ip, targetRef }) => [ip, targetRef?.name]),
    [['10.0.0.1', 'p']],
  );
  assert.deepEqual(subset?.ports, [{ port: 8080, protocol: 'TCP' }]);
  assert.equal((await client.list(EndpointSlice)).items.length, 1);
  await cluster.steady();
  await client.delete(Pod, { namespace: 'default', name: 'p' });
  await cluster.settled();
  assert.deepEqual((await client.get(Endpoints, ref))?.subsets ?? [], []);
  await cluster.steady();
  await client.delete(Service, ref);
  await cluster.settled();
  assert.equal(await client.get(Endpoints, ref), undefined);
});

test('endpoints: written by hand they are told in slices, until they go', async () => {
  await using cluster = await start();
  const { client } = cluster;
  await client.create(Service, service('ports: [{ port: 80 }]'));
  await client.create(
    Endpoints,
    fixture<Endpoints>(`
      metadata: { name: web, namespace: default }
      subsets:
        - { addresses: [{ ip: 192.0.2.1 }, { ip: "2001:db8::1" }], notReadyAddresses: [{ ip: 192.0.2.2 }], ports: [{ port: 9000 }] }
    `),
  );
  await cluster.settled();
  const slices = (await client.list(EndpointSlice)).items;
  assert.deepEqual(
    slices.map(({ addressType, endpoints }) => [
      addressType,
      ...endpoints.map(({ addresses, conditions }) => `${addresses?.[0]} ${conditions?.ready}`),
    ]),
    [
      ['IPv4', '192.0.2.1 true', '192.0.2.2 false'],
      ['IPv6', '2001:db8::1 true'],
    ],
  );
  assert.equal(slices[0]?.metadata.labels?.['kubernetes.io/service-name'], 'web');
  assert.deepEqual(slices[0].ports, [{ name: '', port: 9000, protocol: 'TCP' }]);
  await cluster.steady();
  await client.delete(Endpoints, ref);
  await cluster.settled();
  assert.deepEqual((await client.list(EndpointSlice)).items, []);
  await cluster.steady();
});
