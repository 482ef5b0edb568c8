import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Endpoints } from '#api/core-v1/endpoints.ts';
import { Service as CoreService } from '#api/core-v1/service.ts';
import { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import { Service } from '#api/serving-v1/service.ts';
import { hello, namespace, servingStage } from '#test/support/serving-stage.ts';

type LoadBalancers = NonNullable<
  NonNullable<NonNullable<Ingress['status']>['privateLoadBalancer']>['ingress']
>;

const place = { namespace, name: 'hello' };
const visibility = 'networking.knative.dev/visibility';

/** A Service whose hosts are for another gateway, in whose place the test says where it is. */
async function stage(traffic?: string) {
  const on = await servingStage();
  const { client } = on.cluster;
  const service = hello({ ...(traffic && { traffic }) });
  const annotations = { 'networking.knative.dev/ingress-class': 'other.example.com' };
  await client.create(Service, { ...service, metadata: { ...service.metadata, annotations } });
  await on.cluster.settled();
  await on.runPods();
  await on.cluster.settled();
  const seen = async () => {
    const placeholder = await client.get(CoreService, place);
    const { type, clusterIP, externalName, ports } = placeholder?.spec ?? {};
    const endpoints = await client.get(Endpoints, place);
    return {
      type,
      to: type === 'ExternalName' ? externalName : clusterIP === 'None' ? 'headless' : 'an address',
      port: ports?.map(({ name, port }) => `${name}:${port}`).join(),
      endpoints: endpoints?.subsets?.[0]?.addresses?.[0]?.ip,
    };
  };
  return {
    on,
    client,
    seen,
    /** What is seen once the gateway has said this. */
    async told(inside: LoadBalancers, outside: LoadBalancers = []) {
      const ingress = await client.get(Ingress, place);
      assert.ok(ingress);
      const status = {
        ...ingress.status,
        privateLoadBalancer: { ingress: inside },
        publicLoadBalancer: { ingress: outside },
      };
      await client.updateStatus(Ingress, { ...ingress, status });
      await on.cluster.settled();
      await on.cluster.steady();
      return await seen();
    },
    [Symbol.asyncDispose]: () => on[Symbol.asyncDispose](),
  };
}

const named = (to: string) => ({
  type: 'ExternalName',
  to,
  port: 'http2:80',
  endpoints: undefined,
});
const addressed = (endpoints: string) => ({
  type: 'ClusterIP',
  to: 'headless',
  port: 'http2:80',
  endpoints,
});
const meshed = { type: 'ClusterIP', to: 'an address', port: 'http:80', endpoints: undefined };

test('placeholder: leads to wherever another gateway says that it is, one kind of place after another', async () => {
  await using at = await stage();
  const untold = named('hello.default.localhost');
  assert.deepEqual(await at.seen(), untold);
  const internal = { domainInternal: 'gate.elsewhere.svc.cluster.local' };
  assert.deepEqual(await at.told([internal]), named('gate.elsewhere.svc.cluster.local'));
  assert.deepEqual(await at.told([{ ip: '192.0.2.1', ...internal }]), addressed('192.0.2.1'));
  assert.deepEqual(await at.told([{ ip: '192.0.2.2' }]), addressed('192.0.2.2'));
  assert.deepEqual(await at.told([{ meshOnly: true }]), meshed);
  assert.deepEqual(await at.told([{ domain: 'gate.example.com' }]), named('gate.example.com'));
  assert.deepEqual(await at.told([], [{ domain: 'b.example.com' }]), named('b.example.com'));
  assert.deepEqual(await at.told([{ meshOnly: true }]), meshed);
  assert.deepEqual(await at.told([{ ip: '192.0.2.3' }]), addressed('192.0.2.3'));
});

test('placeholder: of none and of several load balancers it stays where it led', async () => {
  await using at = await stage();
  assert.deepEqual(await at.told([{ ip: '192.0.2.1' }]), addressed('192.0.2.1'));
  const several = [{ domain: 'a.example.com' }, { domain: 'b.example.com' }];
  for (const inside of [several, [], [{}]]) {
    assert.deepEqual(await at.told(inside), addressed('192.0.2.1'), JSON.stringify(inside));
  }
});

test('placeholder: what a user says on it outlasts what it is, and a private one never leads outside', async () => {
  await using at = await stage();
  const placeholder = await at.client.get(CoreService, place);
  assert.ok(placeholder);
  const labels = { ...placeholder.metadata.labels, [visibility]: 'cluster-local', mine: 'yes' };
  const metadata = { ...placeholder.metadata, labels };
  await at.client.update(CoreService, { ...placeholder, metadata });
  const before = await at.seen();
  assert.deepEqual(await at.told([], [{ domain: 'outside.example.com' }]), before);
  for (const inside of [[{ ip: '192.0.2.1' }], [{ meshOnly: true }], [{ domain: 'in.example' }]]) {
    await at.told(inside);
    const kept = (await at.client.get(CoreService, place))?.metadata.labels;
    assert.deepEqual([kept?.[visibility], kept?.['mine']], ['cluster-local', 'yes']);
  }
});

test('placeholder: that of a tag that is gone goes, and its endpoints', async () => {
  await using at = await stage('[{ latestRevision: true, percent: 100, tag: old }]');
  await at.told([{ ip: '192.0.2.1' }]);
  const tagged = { namespace, name: 'old-hello' };
  assert.ok((await at.client.get(CoreService, tagged)) && (await at.client.get(Endpoints, tagged)));
  const service = await at.client.get(Service, place);
  assert.ok(service);
  const traffic = [{ latestRevision: true, percent: 100 }];
  await at.client.update(Service, { ...service, spec: { ...service.spec, traffic } });
  await at.on.cluster.settled();
  assert.equal(await at.client.get(CoreService, tagged), undefined);
  assert.equal(await at.client.get(Endpoints, tagged), undefined);
  assert.deepEqual(await at.seen(), addressed('192.0.2.1'));
});
