import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigMap } from '#api/core-v1/config-map.ts';
import { Namespace } from '#api/core-v1/namespace.ts';
import { ServiceAccount } from '#api/core-v1/service-account.ts';
import { namespaceController } from '#controllers/core/namespace/namespace-controller.ts';
import { rootCaController } from '#controllers/core/service-account/root-ca-controller.ts';
import { serviceAccountController } from '#controllers/core/service-account/service-account-controller.ts';
import { startCluster } from '#test/support/cluster.ts';
import { coreKinds } from '#api/kinds.ts';
import { fixedKinds } from '#api/served-kinds.ts';
import { fixture } from '#test/support/fixture.ts';

const controllers = [
  namespaceController(fixedKinds(coreKinds)),
  serviceAccountController,
  rootCaController('the certificate'),
];

test('namespace: has a default account and the root certificate, and gets them back', async () => {
  await using cluster = await startCluster({ controllers, namespaces: ['team'] });
  const { client } = cluster;
  await cluster.settled();
  const account = { namespace: 'team', name: 'default' };
  const ca = { namespace: 'team', name: 'kube-root-ca.crt' };
  assert.ok(await client.get(ServiceAccount, account));
  assert.deepEqual((await client.get(ConfigMap, ca))?.data, { 'ca.crt': 'the certificate' });
  await client.delete(ServiceAccount, account);
  await client.patch(ConfigMap, ca, { data: { 'ca.crt': 'another' } }, { type: 'merge' });
  await cluster.settled();
  assert.ok(await client.get(ServiceAccount, account));
  assert.deepEqual((await client.get(ConfigMap, ca))?.data, { 'ca.crt': 'the certificate' });
  await cluster.steady();
});

test('namespace: goes with all that is in it', async () => {
  await using cluster = await startCluster({ controllers, namespaces: ['team', 'other'] });
  const { client } = cluster;
  await cluster.settled();
  await client.delete(Namespace, { name: 'team' });
  await cluster.settled();
  assert.equal(await client.get(Namespace, { name: 'team' }), undefined);
  const left = (await client.list(ConfigMap)).items.map(({ metadata }) => metadata.namespace);
  assert.deepEqual(left, ['other']);
  await cluster.steady();
});

test('namespace: waits for finalizers, and says for which', async () => {
  await using cluster = await startCluster({ controllers, namespaces: ['team'] });
  const { client } = cluster;
  const held = fixture<ConfigMap>(`
    apiVersion: v1
    kind: ConfigMap
    metadata: { name: held, namespace: team, finalizers: [example.com/hold] }
  `);
  await client.create(ConfigMap, held);
  await client.delete(Namespace, { name: 'team' });
  await cluster.settled();
  const status = (await client.get(Namespace, { name: 'team' }))?.status;
  assert.equal(status?.phase, 'Terminating');
  const waitsFor = status.conditions?.filter((one) => one.status === 'True');
  assert.deepEqual(
    waitsFor?.map(({ type, message }) => [type, message]),
    [
      [
        'NamespaceContentRemaining',
        'Some resources are remaining: configmaps. has 1 resource instances',
      ],
      [
        'NamespaceFinalizersRemaining',
        'Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances',
      ],
    ],
  );
  await cluster.steady();
  const free = { metadata: { finalizers: null } };
  await client.patch(ConfigMap, { namespace: 'team', name: 'held' }, free, { type: 'merge' });
  await cluster.settled();
  assert.equal(await client.get(Namespace, { name: 'team' }), undefined);
  await cluster.steady();
});
