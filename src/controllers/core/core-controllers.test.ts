import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deployment } from '#api/apps-v1/deployment.ts';
import { Namespace } from '#api/core-v1/namespace.ts';
import { Node } from '#api/core-v1/node.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { Service } from '#api/core-v1/service.ts';
import { EndpointSlice } from '#api/discovery-v1/endpoint-slice.ts';
import { coreKinds } from '#api/kinds.ts';
import { fixedKinds } from '#api/served-kinds.ts';
import { coreControllers } from '#controllers/core/core-controllers.ts';
import { startCluster } from '#test/support/cluster.ts';
import { volumeFolders } from '#test/support/volume-folders.ts';
import { fixture } from '#test/support/fixture.ts';
import { allPodsReady } from '#test/support/pods.ts';

const DEPLOYMENT = `
  apiVersion: apps/v1
  kind: Deployment
  metadata: { name: web, namespace: team }
  spec:
    replicas: 3
    selector: { matchLabels: { app: web } }
    template:
      metadata: { labels: { app: web } }
      spec: { containers: [{ name: web, image: example.com/web, ports: [{ containerPort: 80 }] }] }
`;
const SERVICE = `
  apiVersion: v1
  kind: Service
  metadata: { name: web, namespace: team }
  spec: { selector: { app: web }, ports: [{ port: 80 }] }
`;

test('core controllers: together they take a Deployment to its endpoints, and a namespace to its end', async () => {
  await using cluster = await startCluster({
    ...coreControllers({
      kinds: fixedKinds(coreKinds),
      folders: volumeFolders(),
      caPem: 'the certificate',
    }),
    namespaces: ['team'],
  });
  const { client } = cluster;
  const node = await client.create(Node, fixture<Node>('{ metadata: { name: n } }'));
  const conditions = [{ type: 'Ready', status: 'True' }];
  await client.updateStatus(Node, { ...node, status: { conditions } });
  await client.create(Deployment, fixture<Deployment>(DEPLOYMENT));
  await client.create(Service, fixture<Service>(SERVICE));
  await cluster.settled();
  await allPodsReady(cluster);
  await cluster.settled();
  const [slice] = (await client.list(EndpointSlice)).items;
  const nodes = slice?.endpoints.map(({ nodeName, conditions: is }) => [nodeName, is?.ready]);
  assert.deepEqual(
    nodes,
    Array.from({ length: 3 }, () => ['n', true]),
  );
  await cluster.steady();

  await client.delete(Namespace, { name: 'team' });
  await cluster.settled();
  assert.equal((await client.get(Namespace, { name: 'team' }))?.status?.phase, 'Terminating');
  for (const { metadata } of (await client.list(Pod)).items) {
    // As the agent, once the container has ended.
    const { namespace = '', name = '' } = metadata;
    await client.delete(Pod, { namespace, name }, { gracePeriodSeconds: 0 });
  }
  await cluster.settled();
  assert.equal(await client.get(Namespace, { name: 'team' }), undefined);
  await cluster.steady();
});
