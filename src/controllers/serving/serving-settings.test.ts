import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deployment } from '#api/apps-v1/deployment.ts';
import { Metric } from '#api/autoscaling-v1alpha1/metric.ts';
import { PodAutoscaler } from '#api/autoscaling-v1alpha1/pod-autoscaler.ts';
import { Image } from '#api/caching-v1alpha1/image.ts';
import { Service as CoreService } from '#api/core-v1/service.ts';
import { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import { Revision } from '#api/serving-v1/revision.ts';
import { Route } from '#api/serving-v1/route.ts';
import { Service } from '#api/serving-v1/service.ts';
import {
  conditionsOf,
  digest,
  hello,
  namespace,
  say,
  servingStage,
  summary,
} from '#test/support/serving-stage.ts';

test('serving: what a Revision runs and what is measured of it are objects too', async () => {
  await using on = await servingStage();
  const { client } = on.cluster;
  say(on, 'config-observability', {
    'logging.revision-url-template': 'http://logs/?uid=${REVISION_UID}',
  });
  await client.create(Service, hello());
  await on.play();
  const revision = await client.get(Revision, { namespace, name: 'hello-00001' });
  assert.equal(revision?.status?.logUrl, `http://logs/?uid=${revision?.metadata.uid}`);
  const image = await client.get(Image, { namespace, name: 'hello-00001-cache-user-container' });
  assert.equal(image?.spec.image, digest('localhost:5000/hello:v1'));
  assert.equal(image.metadata.ownerReferences?.[0]?.uid, revision.metadata.uid);
  const metric = await client.get(Metric, { namespace, name: 'hello-00001' });
  assert.deepEqual(metric?.spec, {
    stableWindow: 60_000_000_000,
    panicWindow: 6_000_000_000,
    scrapeTarget: 'hello-00001-private',
  });
  assert.deepEqual(summary(metric.status?.conditions), { Ready: 'True' });
  const autoscaler = await client.get(PodAutoscaler, { namespace, name: 'hello-00001' });
  const { annotations } = autoscaler?.metadata ?? {};
  assert.equal(annotations?.['autoscaling.knative.dev/class'], 'kpa.autoscaling.knative.dev');
  assert.equal(metric.metadata.ownerReferences?.[0]?.uid, autoscaler?.metadata.uid);
  await on.cluster.steady();
});

test('serving: hosts follow the ConfigMaps while the platform runs', async () => {
  await using on = await servingStage();
  const { client } = on.cluster;
  const traffic = '[{ latestRevision: true, percent: 100, tag: next }]';
  await client.create(Service, hello({ traffic }));
  await on.play();
  const hosts = async (): Promise<unknown> =>
    (await client.get(Ingress, { namespace, name: 'hello' }))?.spec.rules
      ?.filter(({ visibility }) => visibility === 'ExternalIP')
      .map((rule) => rule.hosts?.[0]);
  assert.deepEqual(await hosts(), ['hello.default.localhost', 'next-hello.default.localhost']);
  say(on, 'config-domain', { 'example.com': '', 'team-a.example.com': 'selector: { team: a }' });
  say(on, 'config-network', {
    'domain-template': '{{.Name}}-{{.Namespace}}.{{.Domain}}',
    'tag-template': '{{.Name}}-{{.Tag}}',
  });
  await on.play();
  assert.deepEqual(await hosts(), [
    'hello-default.team-a.example.com',
    'hello-next-default.team-a.example.com',
  ]);
  const service = await client.get(Service, { namespace, name: 'hello' });
  assert.equal(service?.status?.url, 'http://hello-default.team-a.example.com:8080');
  assert.equal(await client.get(CoreService, { namespace, name: 'next-hello' }), undefined);
  assert.ok(await client.get(CoreService, { namespace, name: 'hello-next' }));
  say(on, 'config-network', {
    'domain-template': '{{index .Labels "none"}}{{.Name}}_x.{{.Domain}}',
  });
  await on.play();
  const route = await conditionsOf(on.cluster, Route, 'hello');
  assert.equal(route['AllTrafficAssigned'], 'False ErrorConfig');
  say(on, 'config-domain', { 'svc.cluster.local': '' });
  say(on, 'config-network', {});
  await on.play();
  assert.deepEqual(await hosts(), []);
  await on.cluster.steady();
});

test('serving: a header chooses a tag where config-features says so', async () => {
  await using on = await servingStage();
  const { client } = on.cluster;
  const traffic = '[{ latestRevision: true, percent: 100, tag: next }]';
  await client.create(Service, hello({ traffic }));
  await on.play();
  const paths = async (host: string): Promise<unknown> => {
    const ingress = await client.get(Ingress, { namespace, name: 'hello' });
    const rule = ingress?.spec.rules?.find(({ hosts }) => hosts?.includes(host));
    return rule?.http?.paths.map(({ headers, appendHeaders }) => ({ headers, appendHeaders }));
  };
  const plain = [{ headers: undefined, appendHeaders: undefined }];
  assert.deepEqual(await paths('hello.default.localhost'), plain);
  say(on, 'config-features', { 'tag-header-based-routing': 'enabled' });
  await on.play();
  assert.deepEqual(await paths('hello.default.localhost'), [
    { headers: { 'Knative-Serving-Tag': { exact: 'next' } }, appendHeaders: undefined },
    { headers: undefined, appendHeaders: { 'Knative-Serving-Default-Route': 'true' } },
  ]);
  assert.deepEqual(await paths('next-hello.default.localhost'), [
    { headers: undefined, appendHeaders: { 'Knative-Serving-Tag': 'next' } },
  ]);
  await on.cluster.steady();
});

test('serving: new defaults make no new Revision of what is there', async () => {
  await using on = await servingStage();
  const { client } = on.cluster;
  await client.create(Service, hello());
  await on.play();
  say(on, 'config-defaults', { 'revision-cpu-request': '100m' });
  const service = (await client.get(Service, { namespace, name: 'hello' })) ?? assert.fail();
  const annotations = { ...service.metadata.annotations, note: 'x' };
  await client.update(Service, { ...service, metadata: { ...service.metadata, annotations } });
  await on.play();
  await on.cluster.steady();
  const requests = async (): Promise<unknown> =>
    (await client.list(Revision)).items.map(
      ({ spec }) => spec.containers?.[0]?.resources?.requests?.['cpu'],
    );
  // The write of the Service itself fills in what its author left out.
  assert.deepEqual(await requests(), [undefined, '100m']);
});

test('serving: images of a registry whose tags are not resolved keep them', async () => {
  await using on = await servingStage({
    resolveDigest: async (image) => assert.fail(`${image} was resolved`),
  });
  const { client } = on.cluster;
  say(on, 'config-deployment', {
    'registries-skipping-tag-resolving': 'localhost:5000',
    'progress-deadline': '30s',
  });
  await client.create(Service, hello());
  await on.play();
  const revision = await client.get(Revision, { namespace, name: 'hello-00001' });
  assert.deepEqual(revision?.status?.containerStatuses, [
    { name: 'user-container', imageDigest: '' },
  ]);
  const name = 'hello-00001-deployment';
  const deployment = await client.get(Deployment, { namespace, name });
  assert.equal(deployment?.spec?.progressDeadlineSeconds, 30);
  const pod = deployment.spec.template.spec;
  assert.equal(pod?.containers[0]?.image, 'localhost:5000/hello:v1');
});
