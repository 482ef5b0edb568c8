import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deployment } from '#api/apps-v1/deployment.ts';
import { PodAutoscaler } from '#api/autoscaling-v1alpha1/pod-autoscaler.ts';
import { Namespace } from '#api/core-v1/namespace.ts';
import { Service as CoreService } from '#api/core-v1/service.ts';
import type { Kind } from '#api/kind.ts';
import type { KubeObject, ObjectMeta } from '#api/meta/object-meta.ts';
import { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import { ServerlessService } from '#api/networking-v1alpha1/serverless-service.ts';
import { Configuration } from '#api/serving-v1/configuration.ts';
import { Revision } from '#api/serving-v1/revision.ts';
import { Route } from '#api/serving-v1/route.ts';
import { Service } from '#api/serving-v1/service.ts';
import { hello, namespace, servingStage, type ServingStage } from '#test/support/serving-stage.ts';

/** How labels and annotations go from one object to the next (serving specification §1.12). */

const name = 'hello';
const PREFIX = 'serving.knative.dev';

async function metaOf<T extends KubeObject>(
  { cluster }: ServingStage,
  kind: Kind<T>,
  of = name,
): Promise<Required<Pick<ObjectMeta, 'labels' | 'annotations'>> & ObjectMeta> {
  const object = await cluster.client.get(kind, { namespace, name: of });
  assert.ok(object, `${kind.kind} ${of}`);
  return { labels: {}, annotations: {}, ...object.metadata };
}

/** Writes the Service with these labels and annotations of its author, and none else. */
async function relabel(
  on: ServingStage,
  of: { readonly labels?: Record<string, string>; readonly annotations?: Record<string, string> },
): Promise<void> {
  const { client } = on.cluster;
  const service = (await client.get(Service, { namespace, name })) ?? assert.fail();
  const { creator = '', lastModifier = '' } = Object.fromEntries(
    ['creator', 'lastModifier'].map((key) => [
      key,
      service.metadata.annotations?.[`${PREFIX}/${key}`] ?? '',
    ]),
  );
  const own = { [`${PREFIX}/creator`]: creator, [`${PREFIX}/lastModifier`]: lastModifier };
  const metadata = {
    ...service.metadata,
    labels: of.labels ?? {},
    annotations: { ...own, ...of.annotations },
  };
  await client.update(Service, { ...service, metadata });
  await on.play();
}

test('propagation: labels and annotations of a Service reach what it makes, and no revision', async () => {
  await using on = await servingStage();
  const { client } = on.cluster;
  await client.create(Service, hello());
  await on.play();
  const before = await client.get(Revision, { namespace, name: 'hello-00001' });
  const applied = { 'kubectl.kubernetes.io/last-applied-configuration': '{}' };
  const rollout = { [`${PREFIX}/rollout-duration`]: '10s' };
  await relabel(on, {
    labels: { color: 'red' },
    annotations: { note: 'mine', ...applied, ...rollout },
  });
  const { labels: own, annotations: said, uid = '' } = await metaOf(on, Service);
  for (const kind of [Configuration, Route, CoreService]) {
    const { labels, annotations } = await metaOf(on, kind as typeof Route);
    assert.equal(labels['color'], 'red', kind.kind);
    assert.equal(labels[`${PREFIX}/service`], name, kind.kind);
    assert.equal(annotations['note'], 'mine', kind.kind);
    for (const key of [`${PREFIX}/creator`, `${PREFIX}/lastModifier`]) {
      assert.equal(annotations[key], said[key], `${kind.kind} ${key}`);
    }
    assert.equal(annotations[Object.keys(applied)[0] ?? ''], undefined, kind.kind);
  }
  assert.equal(own['color'], 'red');
  const configuration = await metaOf(on, Configuration);
  assert.equal(configuration.labels[`${PREFIX}/serviceUID`], uid);
  assert.equal(configuration.annotations[`${PREFIX}/routes`], name);
  // How traffic goes over is the Route's matter alone.
  assert.equal(configuration.annotations[`${PREFIX}/rollout-duration`], undefined);
  assert.equal((await metaOf(on, Route)).annotations[`${PREFIX}/rollout-duration`], '10s');
  assert.equal((await metaOf(on, CoreService)).labels[`${PREFIX}/route`], name);
  const ingress = await metaOf(on, Ingress);
  assert.deepEqual(
    [ingress.labels[`${PREFIX}/route`], ingress.labels[`${PREFIX}/routeNamespace`]],
    [name, namespace],
  );
  // Another label is no other revision, and the one there is stays as it was.
  const { items } = await client.list(Revision, { namespace });
  assert.deepEqual(
    items.map(({ metadata }) => [metadata.name, metadata.labels]),
    [['hello-00001', before?.metadata.labels]],
  );
  assert.equal(items[0]?.metadata.annotations?.['note'], undefined);
  assert.equal((await metaOf(on, Configuration)).generation, 1);

  await relabel(on, {});
  for (const kind of [Configuration, Route]) {
    const { labels, annotations } = await metaOf(on, kind as typeof Route);
    assert.deepEqual([labels['color'], annotations['note']], [undefined, undefined], kind.kind);
  }
  await on.cluster.steady();
});

test('propagation: each generation of a template has its number and its owners, down to its pods', async () => {
  await using on = await servingStage();
  const { client } = on.cluster;
  await client.create(Service, hello());
  await on.play();
  await client.apply(Service, hello({ image: 'localhost:5000/hello:v2' }));
  await on.play();
  // Another traffic is no other template.
  const traffic = '[{ revisionName: hello-00002, percent: 100 }]';
  await client.apply(Service, hello({ image: 'localhost:5000/hello:v2', traffic }));
  await on.play();
  const { items } = await client.list(Revision, { namespace });
  const service = await metaOf(on, Service);
  const configuration = await metaOf(on, Configuration);
  assert.deepEqual(
    items.map(({ metadata }) => metadata.labels?.[`${PREFIX}/configurationGeneration`]),
    ['1', '2'],
  );
  const revision = await metaOf(on, Revision, 'hello-00002');
  const expected = {
    [`${PREFIX}/configuration`]: name,
    [`${PREFIX}/configurationGeneration`]: '2',
    [`${PREFIX}/configurationUID`]: configuration.uid,
    [`${PREFIX}/service`]: name,
    [`${PREFIX}/serviceUID`]: service.uid,
  };
  assert.deepEqual({ ...revision.labels, ...expected }, revision.labels);
  assert.equal(revision.labels[`${PREFIX}/routingState`], 'active');
  assert.equal(revision.annotations[`${PREFIX}/routes`], name);
  assert.equal(
    revision.annotations[`${PREFIX}/creator`],
    configuration.annotations[`${PREFIX}/lastModifier`],
  );
  const deployment = await client.get(Deployment, { namespace, name: 'hello-00002-deployment' });
  const scaler = await client.get(PodAutoscaler, { namespace, name: 'hello-00002' });
  const served = await client.get(ServerlessService, { namespace, name: 'hello-00002' });
  assert.equal(scaler?.metadata.annotations?.['autoscaling.knative.dev/metric'], 'concurrency');
  assert.equal(served?.metadata.annotations?.['autoscaling.knative.dev/metric'], undefined);
  const pod = deployment?.spec?.template.metadata;
  for (const labels of [deployment?.metadata.labels, scaler?.metadata.labels, pod?.labels]) {
    const own = {
      ...expected,
      [`${PREFIX}/revision`]: 'hello-00002',
      [`${PREFIX}/revisionUID`]: revision.uid,
      app: 'hello-00002',
    };
    assert.deepEqual({ ...labels, ...own }, labels);
    assert.equal(labels?.[`${PREFIX}/routingState`], undefined);
  }
  assert.equal(pod?.annotations?.['kubectl.kubernetes.io/default-container'], 'user-container');
  const inner = Object.keys(pod.annotations ?? {}).filter((key) =>
    /autoscaling|routingState|\/routes$/.test(key),
  );
  assert.deepEqual(inner, []);
});

test('propagation: a label on the Service of a tag makes that tag private, and no other', async () => {
  await using on = await servingStage();
  const { client } = on.cluster;
  const traffic =
    '[{ latestRevision: true, percent: 100 }, { latestRevision: true, percent: 0, tag: inner }]';
  await client.create(Service, hello({ traffic }));
  await on.play();
  const at = { namespace, name: 'inner-hello' };
  const visibility = { 'networking.knative.dev/visibility': 'cluster-local' };
  await client.patch(CoreService, at, { metadata: { labels: visibility } }, { type: 'merge' });
  await on.play();
  const publicHosts = async (): Promise<unknown> => {
    const ingress = await client.get(Ingress, { namespace, name });
    return ingress?.spec.rules
      ?.filter((rule) => rule.visibility === 'ExternalIP')
      .flatMap(({ hosts }) => hosts);
  };
  assert.deepEqual(await publicHosts(), ['hello.default.localhost']);
  const urls = async (): Promise<unknown> => {
    const route = await client.get(Route, { namespace, name });
    return [route?.status?.url, ...(route?.status?.traffic ?? []).map(({ url }) => url)];
  };
  assert.deepEqual(await urls(), [
    'http://hello.default.localhost:8080',
    undefined,
    'http://inner-hello.default.svc.cluster.local',
  ]);
  // It is the user's: nobody takes it away with the next write.
  await relabel(on, { labels: { color: 'red' } });
  const { labels } = await metaOf(on, CoreService, 'inner-hello');
  assert.deepEqual(
    [labels['color'], labels[Object.keys(visibility)[0] ?? '']],
    ['red', 'cluster-local'],
  );
  // All of it is private where the Service says so.
  await relabel(on, { labels: visibility });
  assert.deepEqual(await publicHosts(), []);
  assert.equal(
    (await client.get(Service, { namespace, name }))?.status?.url,
    'http://hello.default.svc.cluster.local',
  );
  await on.cluster.steady();
});

test('propagation: what carries a Route’s label in another namespace is not touched', async () => {
  await using on = await servingStage();
  const { client } = on.cluster;
  const labels = { [`${PREFIX}/route`]: name };
  const other = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'other' } };
  await client.create(Namespace, other);
  const metadata = { name: 'stranger', namespace: 'other', labels };
  const spec = { type: 'ExternalName', externalName: 'example.com' };
  await client.create(CoreService, { apiVersion: 'v1', kind: 'Service', metadata, spec });
  await client.create(Service, hello());
  await on.play();
  await client.delete(Service, { namespace, name });
  await on.play();
  assert.ok(await client.get(CoreService, { namespace: 'other', name: 'stranger' }));
});
