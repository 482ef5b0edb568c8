import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '#api/core-v1/pod.ts';
import { Service as CoreService } from '#api/core-v1/service.ts';
import { networkingKeys } from '#api/networking-v1alpha1/networking-keys.ts';
import { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import { Configuration } from '#api/serving-v1/configuration.ts';
import { Revision } from '#api/serving-v1/revision.ts';
import { Route } from '#api/serving-v1/route.ts';
import { Service } from '#api/serving-v1/service.ts';
import { fixture } from '#test/support/fixture.ts';
import {
  conditionsOf,
  hello,
  namespace,
  say,
  servingStage,
  type ServingStage,
} from '#test/support/serving-stage.ts';

/** Single words of ConfigMaps, annotations and labels, and what a client sees of them. */

const name = 'hello';

async function annotationOf({ cluster }: ServingStage, key: string): Promise<unknown> {
  const ingress = await cluster.client.get(Ingress, { namespace, name });
  const text = ingress?.metadata.annotations?.[key];
  return text === undefined ? undefined : JSON.parse(text);
}

test('serving words: default-external-scheme is what hosts outside begin with, and those inside do not', async () => {
  await using on = await servingStage();
  const { client } = on.cluster;
  say(on, 'config-network', { 'default-external-scheme': 'https' });
  await client.create(Service, hello());
  await on.play();
  const { status } = (await client.get(Service, { namespace, name })) ?? {};
  assert.equal(status?.url, 'https://hello.default.localhost');
  assert.equal(status.address?.url, 'http://hello.default.svc.cluster.local');
  say(on, 'config-network', {});
  await on.play();
  const later = await client.get(Service, { namespace, name });
  assert.equal(later?.status?.url, 'http://hello.default.localhost:8080');
  await on.cluster.steady();
});

test('serving words: an Ingress says which hosts each tag has, as long as there are tags', async () => {
  await using on = await servingStage();
  const { client } = on.cluster;
  const traffic = '[{ latestRevision: true, percent: 100, tag: next }]';
  await client.create(Service, hello({ traffic }));
  await on.play();
  const hosts = (host: string): string[] => [
    `${host}.default.svc.cluster.local`,
    `${host}.default.svc`,
    `${host}.default`,
    `${host}.default.localhost`,
  ];
  const told = (await annotationOf(on, networkingKeys.tagToHost)) as Record<string, string[]>;
  assert.deepEqual(Object.keys(told), ['next']);
  assert.deepEqual(told['next']?.toSorted(), hosts('next-hello').toSorted());
  const service = (await client.get(Service, { namespace, name })) ?? assert.fail();
  const spec = { ...service.spec, traffic: [{ latestRevision: true, percent: 100 }] };
  await client.update(Service, { ...service, spec });
  await on.play();
  assert.equal(await annotationOf(on, networkingKeys.tagToHost), undefined);
  assert.equal(await client.get(CoreService, { namespace, name: 'next-hello' }), undefined);
});

test('serving words: rollout-duration of config-network counts for Services that say nothing of it', async () => {
  await using on = await servingStage();
  const { client } = on.cluster;
  say(on, 'config-network', { 'rollout-duration': '60' });
  await client.create(Service, hello());
  await on.play();
  const service = (await client.get(Service, { namespace, name })) ?? assert.fail();
  await client.update(Service, {
    ...service,
    spec: {
      ...service.spec,
      template: { spec: { containers: [{ image: 'localhost:5000/two' }] } },
    },
  });
  await on.play();
  const shares = async (): Promise<unknown> => {
    const route = await client.get(Route, { namespace, name });
    const ingress = await client.get(Ingress, { namespace, name });
    const [rule] = ingress?.spec.rules ?? [];
    const splits = rule?.http?.paths[0]?.splits.map(({ serviceName, percent }) => [
      serviceName,
      percent,
    ]);
    const { reason } = route?.status?.conditions?.find(({ type }) => type === 'IngressReady') ?? {};
    return { splits, reason };
  };
  assert.deepEqual(await shares(), {
    splits: [
      ['hello-00001', 99],
      ['hello-00002', 1],
    ],
    reason: 'RolloutInProgress',
  });
});

test('serving words: where pods are always schedulable, one that fits nowhere only waits', async () => {
  await using on = await servingStage();
  const { client } = on.cluster;
  say(on, 'config-deployment', { 'pod-is-always-schedulable': 'true' });
  await client.create(Service, hello());
  await on.cluster.settled();
  await on.runPods((pod: Pod) => {
    const message = '0/1 nodes are available: 1 Insufficient cpu.';
    const scheduled = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message };
    pod.status = { phase: 'Pending', conditions: [scheduled] };
  });
  const available = async (): Promise<string | undefined> =>
    (await conditionsOf(on.cluster, Revision, 'hello-00001'))['ResourcesAvailable'];
  assert.equal(await available(), 'Unknown Deploying');
  say(on, 'config-deployment', {});
  await on.cluster.settled();
  assert.equal(await available(), 'False Unschedulable');
});

test('serving words: what a Configuration alone says of itself is no Revision’s, what its template says is', async () => {
  await using on = await servingStage();
  const { client } = on.cluster;
  const made = fixture<Configuration>(`
apiVersion: serving.knative.dev/v1
kind: Configuration
metadata: { name: hello, namespace: default }
spec: { template: { spec: { containers: [{ image: localhost:5000/one }] } } }
`);
  await client.create(Configuration, made);
  await on.play();
  const written = (await client.get(Configuration, { namespace, name })) ?? assert.fail();
  const labels = { team: 'a' };
  const metadata = {
    ...written.metadata,
    labels,
    annotations: { ...written.metadata.annotations, 'example.com/note': 'mine' },
  };
  await client.update(Configuration, { ...written, metadata });
  await on.play();
  const names = async (): Promise<string[]> =>
    (await client.list(Revision)).items.map((each) => each.metadata.name ?? '');
  assert.deepEqual(await names(), ['hello-00001']);
  const first = await client.get(Revision, { namespace, name: 'hello-00001' });
  assert.equal(first?.metadata.labels?.['team'], undefined);
  assert.equal(first?.metadata.annotations?.['example.com/note'], undefined);
  const again = (await client.get(Configuration, { namespace, name })) ?? assert.fail();
  const template = { ...again.spec.template, metadata: { labels: { tier: 'front' } } };
  await client.update(Configuration, { ...again, spec: { template } });
  await on.play();
  const second = await client.get(Revision, { namespace, name: 'hello-00002' });
  assert.equal(second?.metadata.labels?.['tier'], 'front');
  assert.equal(second?.metadata.labels?.['team'], undefined);
  assert.equal(second?.metadata.labels?.['serving.knative.dev/configurationGeneration'], '2');
  await on.cluster.steady();
});
