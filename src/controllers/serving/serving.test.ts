import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deployment } from '#api/apps-v1/deployment.ts';
import { PodAutoscaler } from '#api/autoscaling-v1alpha1/pod-autoscaler.ts';
import { Event } from '#api/core-v1/event.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { Endpoints } from '#api/core-v1/endpoints.ts';
import { Service as CoreService } from '#api/core-v1/service.ts';
import { EndpointSlice } from '#api/discovery-v1/endpoint-slice.ts';
import { ApiError } from '#api/meta/api-error.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import { Configuration } from '#api/serving-v1/configuration.ts';
import { Revision } from '#api/serving-v1/revision.ts';
import { Route } from '#api/serving-v1/route.ts';
import { Service } from '#api/serving-v1/service.ts';
import { fixture } from '#test/support/fixture.ts';
import {
  conditionsOf,
  digest,
  hello,
  namespace,
  places,
  servingStage,
  summary,
} from '#test/support/serving-stage.ts';

test('serving: a Service becomes Ready and everything under it', async () => {
  await using on = await servingStage();
  const { cluster } = on;
  await cluster.client.create(Service, hello());
  await on.play();

  const service = await cluster.client.get(Service, { namespace, name: 'hello' });
  assert.deepEqual(summary(service?.status?.conditions), {
    ConfigurationsReady: 'True',
    Ready: 'True',
    RoutesReady: 'True',
  });
  assert.equal(service?.status?.observedGeneration, 1);
  assert.equal(service?.status?.url, 'http://hello.default.localhost:8080');
  assert.deepEqual(service?.status?.address, { url: 'http://hello.default.svc.cluster.local' });
  assert.deepEqual(service?.status?.traffic, [
    { revisionName: 'hello-00001', percent: 100, latestRevision: true },
  ]);
  assert.deepEqual(await conditionsOf(cluster, Revision, 'hello-00001'), {
    Active: 'True',
    ContainerHealthy: 'True',
    Ready: 'True',
    ResourcesAvailable: 'True',
  });
  assert.deepEqual(await conditionsOf(cluster, PodAutoscaler, 'hello-00001'), {
    Active: 'True',
    Ready: 'True',
    SKSReady: 'True',
    ScaleTargetInitialized: 'True',
  });
  await cluster.steady();
});

test('serving: what pods, Services and hosts a Revision gets', async () => {
  await using on = await servingStage();
  const { client } = on.cluster;
  await client.create(Service, hello());
  await on.play();

  const deployment = await client.get(Deployment, { namespace, name: 'hello-00001-deployment' });
  const revision = await client.get(Revision, { namespace, name: 'hello-00001' });
  assert.equal(deployment?.metadata.annotations?.['knode.dev/prepared-sandboxes'], '1');
  assert.deepEqual(deployment?.spec?.selector.matchLabels, {
    'serving.knative.dev/revisionUID': revision?.metadata.uid,
  });
  const pod = deployment?.spec?.template.spec;
  assert.equal(pod?.terminationGracePeriodSeconds, 300);
  const [container] = pod?.containers ?? [];
  assert.equal(container?.image, digest('localhost:5000/hello:v1'));
  assert.deepEqual(container?.ports, [{ name: 'user-port', containerPort: 8080, protocol: 'TCP' }]);
  assert.deepEqual(container?.env, [
    { name: 'TARGET', value: 'World' },
    { name: 'PORT', value: '8080' },
    { name: 'K_REVISION', value: 'hello-00001' },
    { name: 'K_CONFIGURATION', value: 'hello' },
    { name: 'K_SERVICE', value: 'hello' },
  ]);

  const ingress = await client.get(Ingress, { namespace, name: 'hello' });
  assert.deepEqual(
    ingress?.spec.rules?.map(({ hosts, visibility }) => [visibility, hosts]),
    [
      ['ClusterLocal', ['hello.default', 'hello.default.svc', 'hello.default.svc.cluster.local']],
      ['ExternalIP', ['hello.default.localhost']],
    ],
  );
  assert.deepEqual(ingress?.spec.rules?.[0]?.http?.paths[0]?.splits, [
    {
      serviceNamespace: 'default',
      serviceName: 'hello-00001',
      servicePort: 80,
      percent: 100,
      appendHeaders: {
        'Knative-Serving-Revision': 'hello-00001',
        'Knative-Serving-Namespace': 'default',
      },
    },
  ]);
  const placeholder = await client.get(CoreService, { namespace, name: 'hello' });
  assert.equal(placeholder?.spec?.externalName, places.privateGateway);
  assert.equal(placeholder?.metadata.labels?.['team'], 'a');
  const privateService = await client.get(CoreService, { namespace, name: 'hello-00001-private' });
  assert.equal(
    privateService?.metadata.labels?.['networking.internal.knative.dev/serviceType'],
    'Private',
  );
  const slice = await client.get(EndpointSlice, { namespace, name: 'hello-00001' });
  assert.deepEqual(
    slice?.endpoints.map(({ addresses }) => addresses),
    [['10.1.0.1']],
  );
  // As the Service itself they are labelled; of the older kind there is one too, which nobody mirrors.
  const publicService = await client.get(CoreService, { namespace, name: 'hello-00001' });
  const labels = publicService?.metadata.labels;
  assert.equal(labels?.['networking.internal.knative.dev/serverlessservice'], 'hello-00001');
  assert.equal(labels['serving.knative.dev/revision'], 'hello-00001');
  assert.deepEqual(slice?.metadata.labels, {
    ...labels,
    'kubernetes.io/service-name': 'hello-00001',
    'endpointslice.kubernetes.io/managed-by': 'serverlessservice-controller.knode.dev',
  });
  const endpoints = await client.get(Endpoints, { namespace, name: 'hello-00001' });
  assert.deepEqual(endpoints?.subsets, [
    { addresses: [{ ip: '10.1.0.1' }], ports: [{ name: 'http', protocol: 'TCP', port: 8012 }] },
  ]);
  const skip = { 'endpointslice.kubernetes.io/skip-mirror': 'true' };
  assert.deepEqual(endpoints.metadata.labels, { ...labels, ...skip });
  await on.cluster.steady();
});

test('serving: traffic stays on the old revision until the new one is ready', async () => {
  await using on = await servingStage();
  const { client } = on.cluster;
  await client.create(Service, hello());
  await on.play();
  await client.apply(Service, hello({ image: 'localhost:5000/hello:v2' }));
  await on.cluster.settled();
  const traffic = async (): Promise<unknown> => {
    const ingress = await client.get(Ingress, { namespace, name: 'hello' });
    return ingress?.spec.rules?.[0]?.http?.paths[0]?.splits.map(({ serviceName }) => serviceName);
  };
  assert.deepEqual(await traffic(), ['hello-00001']);
  const waiting = await client.get(Service, { namespace, name: 'hello' });
  assert.equal(waiting?.status?.latestCreatedRevisionName, 'hello-00002');
  assert.equal(waiting?.status?.latestReadyRevisionName, 'hello-00001');
  assert.equal(summary(waiting?.status?.conditions)['Ready'], 'Unknown');
  await on.play();
  assert.deepEqual(await traffic(), ['hello-00002']);
  assert.equal((await conditionsOf(on.cluster, Service, 'hello'))['Ready'], 'True');
  const old = await client.get(Revision, { namespace, name: 'hello-00001' });
  assert.equal(old?.metadata.labels?.['serving.knative.dev/routingState'], 'reserve');
  assert.equal(old?.metadata.annotations?.['serving.knative.dev/routes'], undefined);
  await on.cluster.steady();
});

test('serving: splits traffic and gives tags their own hosts', async () => {
  await using on = await servingStage();
  const { client } = on.cluster;
  await client.create(Service, hello());
  await on.play();
  const traffic =
    '[{ revisionName: hello-00001, percent: 75 }, { latestRevision: true, percent: 25, tag: next }]';
  await client.apply(Service, hello({ image: 'localhost:5000/hello:v2', traffic }));
  await on.play();
  const service = await client.get(Service, { namespace, name: 'hello' });
  assert.deepEqual(service?.status?.traffic, [
    { revisionName: 'hello-00001', percent: 75, latestRevision: false },
    {
      revisionName: 'hello-00002',
      percent: 25,
      latestRevision: true,
      tag: 'next',
      url: 'http://next-hello.default.localhost:8080',
    },
  ]);
  const ingress = await client.get(Ingress, { namespace, name: 'hello' });
  assert.deepEqual(
    ingress?.spec.rules?.map(({ hosts, http }) => [
      hosts?.[0],
      http?.paths[0]?.splits.map(({ serviceName, percent }) => `${serviceName} ${percent}`),
    ]),
    [
      ['hello.default', ['hello-00001 75', 'hello-00002 25']],
      ['hello.default.localhost', ['hello-00001 75', 'hello-00002 25']],
      ['next-hello.default', ['hello-00002 100']],
      ['next-hello.default.localhost', ['hello-00002 100']],
    ],
  );
  assert.ok(await client.get(CoreService, { namespace, name: 'next-hello' }));
  await on.cluster.steady();
  await client.apply(
    Service,
    hello({
      image: 'localhost:5000/hello:v2',
      traffic: '[{ latestRevision: true, percent: 100 }]',
    }),
  );
  await on.play();
  assert.equal(await client.get(CoreService, { namespace, name: 'next-hello' }), undefined);
  await on.cluster.steady();
});

test('serving: an image that nobody has is named, up to the Service', async () => {
  await using on = await servingStage({
    resolveDigest: async () => {
      throw new Error('manifest unknown');
    },
  });
  await on.cluster.client.create(Service, hello({ image: 'nowhere/x:1' }));
  await on.play();
  const revision = await on.cluster.client.get(Revision, { namespace, name: 'hello-00001' });
  const healthy = revision?.status?.conditions?.find(({ type }) => type === 'ContainerHealthy');
  assert.equal(healthy?.reason, 'ContainerMissing');
  const message =
    'Unable to fetch image "nowhere/x:1": failed to resolve image to digest: manifest unknown';
  assert.equal(healthy?.message, message);
  const { items } = await on.cluster.client.list(Event, { namespace });
  const told = items.filter(({ involvedObject }) => involvedObject.kind === Revision.kind);
  assert.deepEqual(
    told.map((event) => [event.reason, event.message, event.count]),
    [['InternalError', message, 1]],
  );
  const service = await on.cluster.client.get(Service, { namespace, name: 'hello' });
  const failed = service?.status?.conditions?.find(({ type }) => type === 'ConfigurationsReady');
  assert.deepEqual(
    [failed?.status, failed?.reason, failed?.message],
    ['False', 'RevisionFailed', `Revision "hello-00001" failed with message: ${message}.`],
  );
  // The Route is marked last, so the summary has its words.
  assert.equal(summary(service?.status?.conditions)['Ready'], 'False RevisionMissing');
  await on.cluster.steady();
});

test('F10: registries are asked again after as long again, whatever the clock is set to', async () => {
  const askedAt: number[] = [];
  await using on = await servingStage({
    resolveDigest: async (): Promise<string> => {
      askedAt.push(Math.floor(on.clock.monotonicMs() / 1_000));
      throw new Error('manifest unknown');
    },
  });
  await on.cluster.client.create(Service, hello({ image: 'nowhere/x:1' }));
  await on.cluster.settled();
  // That it failed is a change, and each change of a revision is looked at: how often is not the clock's.
  askedAt.length = 0;
  const hourMs = 60 * 60_000;
  const jumpsMs = new Map([
    [10, hourMs],
    [40, -2 * hourMs],
  ]);
  for (let second = 1; second <= 140; second += 1) {
    on.clock.jump(jumpsMs.get(second) ?? 0);
    await on.cluster.advance(1_000);
  }
  assert.deepEqual(askedAt, [1, 2, 4, 8, 16, 32, 64, 128]);
});

test('serving: a program that exits is said with its code and last words', async () => {
  await using on = await servingStage();
  await on.cluster.client.create(Service, hello());
  await on.cluster.settled();
  await on.runPods((pod) => {
    pod.status = {
      phase: 'Running',
      containerStatuses: [
        {
          name: 'user-container',
          image: 'i',
          imageID: 'i',
          ready: false,
          restartCount: 1,
          lastState: { terminated: { exitCode: 3, message: 'no such table' } },
          state: { waiting: { reason: 'CrashLoopBackOff' } },
        },
      ],
    };
  });
  await on.serveIngresses();
  const conditions = await conditionsOf(on.cluster, Revision, 'hello-00001');
  assert.equal(conditions['ContainerHealthy'], 'False ExitCode3');
  assert.equal(conditions['Ready'], 'False ExitCode3');
  const service = await conditionsOf(on.cluster, Service, 'hello');
  assert.equal(service['ConfigurationsReady'], 'False RevisionFailed');
  await on.cluster.steady();
});

test('serving: back to an older revision by its name', async () => {
  await using on = await servingStage();
  const { client } = on.cluster;
  await client.create(Service, hello({ name: 'hello-one' }));
  await on.play();
  assert.equal((await conditionsOf(on.cluster, Service, 'hello'))['Ready'], 'True');
  await client.apply(Service, hello({ name: 'hello-two', image: 'localhost:5000/hello:v2' }));
  await on.play();
  await client.apply(Service, hello({ name: 'hello-one' }));
  await on.play();
  const service = await client.get(Service, { namespace, name: 'hello' });
  assert.equal(service?.status?.latestReadyRevisionName, 'hello-one');
  assert.equal(summary(service?.status?.conditions)['Ready'], 'True');
  await on.cluster.steady();
});

test('serving: back by its name also where the whole Service is put, which says less than its revision has', async () => {
  await using on = await servingStage();
  const { client } = on.cluster;
  const one = hello({ name: 'hello-one' });
  await client.create(Service, one);
  await on.play();
  const put = async (desired: Service): Promise<void> => {
    const current = await client.get(Service, { namespace, name: 'hello' });
    const { metadata = {} } = current ?? {};
    await client.update(Service, { ...desired, metadata: { ...metadata, ...desired.metadata } });
    await on.play();
  };
  await put(hello({ name: 'hello-two', image: 'localhost:5000/hello:v2' }));
  await put(one);
  const service = await client.get(Service, { namespace, name: 'hello' });
  assert.equal(service?.spec.template?.spec?.enableServiceLinks, undefined);
  assert.equal(service?.status?.latestReadyRevisionName, 'hello-one');
  assert.equal(summary(service?.status?.conditions)['Ready'], 'True');
  await on.cluster.steady();
  await put(hello({ name: 'hello-two' }));
  assert.deepEqual(
    await conditionsOf(on.cluster, Configuration, 'hello'),
    { Ready: 'False RevisionFailed' },
    'another image under a name that is taken',
  );
  await on.cluster.steady();
});

test('serving: traffic that follows no Configuration comes to rest', async () => {
  await using on = await servingStage();
  const { client } = on.cluster;
  await client.create(Service, hello());
  await on.play();
  const image = 'localhost:5000/hello:v2';
  const pinnedTo = (revision: string): Service =>
    hello({ image, traffic: `[{ revisionName: ${revision}, percent: 100 }]` });
  await client.apply(Service, pinnedTo('hello-00001'));
  await on.play();
  const service = await client.get(Service, { namespace, name: 'hello' });
  assert.equal(service?.status?.latestReadyRevisionName, 'hello-00002');
  assert.equal(summary(service?.status?.conditions)['Ready'], 'True');
  const waiting = await client.get(Revision, { namespace, name: 'hello-00002' });
  assert.equal(waiting?.metadata.labels?.['serving.knative.dev/routingState'], 'reserve');
  await on.cluster.steady();
  await client.delete(Service, { namespace, name: 'hello' });
  await on.play();
  await client.create(Service, pinnedTo('hello-nowhere'));
  await on.play();
  assert.equal((await conditionsOf(on.cluster, Route, 'hello'))['Ready'], 'False RevisionMissing');
  await on.cluster.steady();
});

test('serving: a Route to nowhere says what is missing', async () => {
  await using on = await servingStage();
  await on.cluster.client.create(
    Route,
    fixture<Route>(`
apiVersion: serving.knative.dev/v1
kind: Route
metadata: { name: away, namespace: default }
spec: { traffic: [{ configurationName: none, percent: 100 }] }
`),
  );
  await on.play();
  assert.deepEqual(await conditionsOf(on.cluster, Route, 'away'), {
    AllTrafficAssigned: 'False ConfigurationMissing',
    CertificateProvisioned: 'Unknown',
    IngressReady: 'Unknown',
    Ready: 'False ConfigurationMissing',
  });
  await on.cluster.steady();
});

test('serving: a tag that makes the host name too long is said, and traffic stays', async () => {
  await using on = await servingStage();
  const { client } = on.cluster;
  await client.create(Service, hello());
  await on.play();
  const tag = 't'.repeat(60);
  const traffic = `[{ latestRevision: true, percent: 100, tag: ${tag} }]`;
  await client.apply(Service, hello({ traffic }));
  await on.play();
  const service = await client.get(Service, { namespace, name: 'hello' });
  assert.equal(summary(service?.status?.conditions)['Ready'], 'False ErrorConfig');
  assert.equal(service?.status?.observedGeneration, 2);
  assert.deepEqual(service.status.traffic, [
    { revisionName: 'hello-00001', percent: 100, latestRevision: true },
  ]);
  await on.cluster.steady();
});

test('serving: a revision name that stands for something else moves no traffic', async () => {
  await using on = await servingStage();
  const { client } = on.cluster;
  await client.create(Service, hello());
  await on.play();
  const other = fixture<Configuration>(`
apiVersion: serving.knative.dev/v1
kind: Configuration
metadata: { name: hello-other, namespace: default }
spec: { template: { metadata: { name: hello-other-x }, spec: { containers: [{ image: "a/b:1" }] } } }
`);
  await client.create(Configuration, other);
  await on.play();
  await client.apply(Service, hello({ name: 'hello-other-x', image: 'localhost:5000/hello:v2' }));
  await on.play();
  const service = await client.get(Service, { namespace, name: 'hello' });
  const routes = service?.status?.conditions?.find(({ type }) => type === 'RoutesReady');
  assert.equal(routes?.reason, 'RevisionNameTaken');
  assert.deepEqual(
    service?.status?.traffic?.map(({ revisionName }) => revisionName),
    ['hello-00001'],
  );
  await on.cluster.steady();
});

test('serving: with a Service goes all that was made for it', async () => {
  await using on = await servingStage();
  const { client } = on.cluster;
  await client.create(Service, hello());
  await on.play();
  await client.delete(Service, { namespace, name: 'hello' });
  await on.play();
  for (const kind of [Configuration, Route, Revision, PodAutoscaler, Ingress, Deployment, Pod]) {
    const { items } = await client.list(kind as typeof Configuration);
    assert.deepEqual(items, [], kind.kind);
  }
  assert.deepEqual((await client.list(CoreService)).items, []);
  await on.cluster.steady();
});

test('serving: what cannot be observed is not Ready, says so, and is Ready once it can', async () => {
  const parts: [typeof Service | typeof Revision | typeof PodAutoscaler, string, string, string][] =
    [
      [Service, 'hello', 'Configuration', 'NewObservedGenFailure'],
      // It was observed while its digests were asked for.
      [Revision, 'hello-00001', 'Deployment', 'Deploying'],
      [PodAutoscaler, 'hello-00001', 'ServerlessService', 'NewObservedGenFailure'],
    ];
  for (const [kind, name, child, reason] of parts) {
    let isRefused = true;
    const refusal = new ApiError('Forbidden', `no ${child} for now`);
    const refuse = (object: KubeObject) =>
      isRefused && object.kind === child ? refusal : undefined;
    await using on = await servingStage({ refuse });
    const { cluster } = on;
    await cluster.client.create(Service, hello());
    await on.play();
    const conditions = await conditionsOf(cluster, kind, name);
    assert.equal(conditions['Ready'], `Unknown ${reason}`, child);
    const { items } = await cluster.client.list(Event, { namespace });
    const told = items.find(({ involvedObject, reason: of }) => {
      return of === 'InternalError' && involvedObject.kind === kind.kind;
    });
    assert.match(told?.message ?? '', new RegExp(refusal.message));
    isRefused = false;
    await cluster.advance(60_000);
    await on.play();
    assert.equal((await conditionsOf(cluster, kind, name))['Ready'], 'True', child);
    assert.equal((await conditionsOf(cluster, Service, 'hello'))['Ready'], 'True', child);
    await cluster.steady();
  }
});
