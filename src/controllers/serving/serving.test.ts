import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { FakeClock } from '#base/fake-clock.ts';
import { silentLog } from '#base/log.ts';
import { systemClock } from '#base/clock.ts';
import { seededRandom } from '#base/random.ts';
import { coreKinds, servingKinds } from '#api/kinds.ts';
import { fixedKinds } from '#api/served-kinds.ts';
import { Deployment } from '#api/apps-v1/deployment.ts';
import { PodAutoscaler } from '#api/autoscaling-v1alpha1/pod-autoscaler.ts';
import { HorizontalPodAutoscaler } from '#api/autoscaling-v2/horizontal-pod-autoscaler.ts';
import { ServerlessService } from '#api/networking-v1alpha1/serverless-service.ts';
import { Event } from '#api/core-v1/event.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { Service as CoreService } from '#api/core-v1/service.ts';
import { EndpointSlice } from '#api/discovery-v1/endpoint-slice.ts';
import { ApiError } from '#api/meta/api-error.ts';
import { Conditions, type Condition } from '#api/meta/conditions.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import { Configuration } from '#api/serving-v1/configuration.ts';
import { Revision } from '#api/serving-v1/revision.ts';
import { Route } from '#api/serving-v1/route.ts';
import { Service } from '#api/serving-v1/service.ts';
import { startAutoscaler, type Autoscaler } from '#autoscaler/autoscaler.ts';
import { connectMeasurements, type MeasurementClient } from '#autoscaler/measurement-client.ts';
import { CONFIG_NAMESPACE } from '#api/serving-config/config-maps.ts';
import { LiveSettings } from '#client/live-settings.ts';
import { deploymentController } from '#controllers/core/deployment/deployment-controller.ts';
import { endpointSliceController } from '#controllers/core/endpoint-slice/endpoint-slice-controller.ts';
import { garbageCollector } from '#controllers/core/garbage-collector/garbage-collector.ts';
import { horizontalPodAutoscalerController } from '#controllers/core/horizontal-pod-autoscaler/horizontal-pod-autoscaler-controller.ts';
import { replicaSetController } from '#controllers/core/replica-set/replica-set-controller.ts';
import { servingControllers } from '#controllers/serving/serving-controllers.ts';
import { servingDefaults, type ServingConfig } from '#controllers/serving/serving-config.ts';
import type { ResolveDigest } from '#controllers/serving/revision/digest-resolver.ts';
import { startCluster, type Cluster, type ClusterOptions } from '#test/support/cluster.ts';
import { fixture } from '#test/support/fixture.ts';

const places = {
  ...servingDefaults,
  publicPort: 8080,
  backend: { address: '10.1.0.1', port: 8012 },
};
const namespace = 'default';
const digest = (image: string): string => `${image.split(':')[0]}@sha256:${'a'.repeat(64)}`;

interface Stage extends AsyncDisposable {
  readonly cluster: Cluster;
  readonly autoscaler: Autoscaler;
  readonly live: LiveSettings;
  readonly clock: FakeClock;
  readonly gateway: MeasurementClient;
  /** What the agent does: pods without a status come up, those that go are gone. */
  runPods(change?: (pod: Pod) => void): Promise<void>;
  /** What the gateway does: serves each generation of an Ingress. */
  serveIngresses(): Promise<void>;
  /** Both, until nothing moves. */
  play(): Promise<void>;
  /** A second in which the gateway saw the revision busy or not at all. */
  second(concurrency?: number): Promise<void>;
}

interface StageOptions {
  readonly resolveDigest?: ResolveDigest;
  readonly refuse?: NonNullable<ClusterOptions['refuse']>;
}

async function stage({
  resolveDigest = async (image) => digest(image),
  refuse = () => undefined,
}: StageOptions = {}): Promise<Stage> {
  const folder = await mkdtemp(path.join(tmpdir(), 'knode-'));
  const socketPath = path.join(folder, 'measurements.sock');
  const clock = new FakeClock();
  const live = new LiveSettings();
  const config: ServingConfig = { ...places, settings: live.current };
  const autoscaler = await startAutoscaler({ socketPath, clock, log: silentLog });
  const cluster = await startCluster({
    clock,
    refuse,
    kinds: servingKinds,
    server: { serving: live.current },
    loops: [garbageCollector(fixedKinds([...coreKinds, ...servingKinds]))],
    controllers: [
      deploymentController,
      replicaSetController,
      endpointSliceController,
      horizontalPodAutoscalerController(fixedKinds([...coreKinds, ...servingKinds])),
      ...servingControllers({ config, autoscaler, resolveDigest, clock, live }),
    ],
  });
  let drained = Promise.withResolvers<void>();
  const connected = Promise.withResolvers<void>();
  const gateway = connectMeasurements({
    socketPath,
    clock: systemClock,
    random: seededRandom(1),
    log: silentLog,
    onMessage: (message) => message.type === 'drain' && drained.resolve(),
    onConnected: connected.resolve,
  });
  await connected.promise;
  const { client } = cluster;

  async function runPods(change?: (pod: Pod) => void): Promise<void> {
    const { items } = await client.list(Pod);
    for (const pod of items) {
      const { name = '', deletionTimestamp } = pod.metadata;
      if (deletionTimestamp !== undefined) {
        await client.delete(Pod, { namespace, name }, { gracePeriodSeconds: 0 });
      } else if (!change && pod.status?.podIP === undefined) {
        await client.updateStatus(Pod, running(pod));
      } else if (change) {
        const next = structuredClone(pod);
        change(next);
        await client.updateStatus(Pod, next);
      }
    }
    await cluster.settled();
  }

  async function serveIngresses(): Promise<void> {
    for (const ingress of (await client.list(Ingress)).items) {
      if (ingress.status?.observedGeneration === ingress.metadata.generation) continue;
      await client.updateStatus(Ingress, served(ingress, clock.now()));
    }
    await cluster.settled();
  }

  return {
    cluster,
    autoscaler,
    live,
    clock,
    gateway,
    runPods,
    serveIngresses,
    async play() {
      for (let before = -1; before !== cluster.store.revision;) {
        before = cluster.store.revision;
        await cluster.settled();
        await runPods();
        await serveIngresses();
      }
    },
    async second(concurrency) {
      const loads =
        concurrency === undefined
          ? []
          : [{ namespace, revision: 'hello-00001', concurrency, requests: 1 }];
      gateway.send({ type: 'report', atMs: clock.monotonicMs(), periodMs: 1_000, loads });
      drained = Promise.withResolvers<void>();
      const answered = autoscaler.drain({ namespace, pod: 'x' }, new AbortController().signal);
      await drained.promise;
      gateway.send({ type: 'drained', namespace, pod: 'x' });
      await answered;
      await cluster.advance(1_000);
    },
    async [Symbol.asyncDispose]() {
      gateway[Symbol.dispose]();
      await cluster[Symbol.asyncDispose]();
      await autoscaler[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    },
  };
}

/** As if somebody had written it to the ConfigMap. */
function say({ live }: Stage, name: string, data: Record<string, string>): void {
  const metadata = { namespace: CONFIG_NAMESPACE, name };
  live.take({ current: { apiVersion: 'v1', kind: 'ConfigMap', metadata, data } });
}

let nextAddress = 2;
function running(pod: Pod): Pod {
  const conditions = ['PodScheduled', 'Initialized', 'ContainersReady', 'Ready'];
  return {
    ...pod,
    status: {
      phase: 'Running',
      podIP: `10.1.0.${nextAddress++}`,
      conditions: conditions.map((type) => ({ type, status: 'True' })),
    },
  };
}

function served(ingress: Ingress, now: Date): Ingress {
  const conditions = new Conditions({
    set: Ingress.conditions,
    previous: ingress.status?.conditions,
    now,
  });
  conditions.markTrue('NetworkConfigured');
  conditions.markTrue('LoadBalancerReady');
  const load = { ingress: [{ domainInternal: places.privateGateway }] };
  return {
    ...ingress,
    status: {
      observedGeneration: ingress.metadata.generation ?? 0,
      conditions: conditions.list(),
      publicLoadBalancer: load,
      privateLoadBalancer: load,
    },
  };
}

function hello(
  options: { image?: string; annotations?: string; traffic?: string; name?: string } = {},
): Service {
  const { image = 'localhost:5000/hello:v1', annotations = '{}', traffic, name } = options;
  return fixture<Service>(`
apiVersion: serving.knative.dev/v1
kind: Service
metadata: { name: hello, namespace: default, labels: { team: a } }
spec:
  template:
    metadata: { annotations: ${annotations}${name ? `, name: ${name}` : ''} }
    spec:
      containers:
        - image: "${image}"
          env: [{ name: TARGET, value: World }]
  ${traffic ? `traffic: ${traffic}` : ''}
`);
}

function summary(conditions: readonly Condition[] | undefined): Record<string, string> {
  return Object.fromEntries(
    (conditions ?? []).map(({ type, status, reason }) => [
      type,
      reason ? `${status} ${reason}` : status,
    ]),
  );
}

async function conditionsOf(
  { client }: Cluster,
  kind:
    | typeof Service
    | typeof Configuration
    | typeof Revision
    | typeof Route
    | typeof PodAutoscaler
    | typeof ServerlessService,
  name: string,
): Promise<Record<string, string>> {
  const object = await client.get(kind as typeof Service, { namespace, name });
  return summary(object?.status?.conditions);
}

test('serving: a Service becomes Ready and everything under it', async () => {
  await using on = await stage();
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
  await using on = await stage();
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
  await on.cluster.steady();
});

test('serving: goes to zero after its window and comes back on demand', async () => {
  await using on = await stage();
  const { cluster } = on;
  const { client } = cluster;
  const replicas = async (): Promise<number | undefined> => {
    const name = 'hello-00001-deployment';
    return (await client.get(Deployment, { namespace, name }))?.spec?.replicas;
  };
  await client.create(Service, hello({ annotations: '{ autoscaling.knative.dev/window: 6s }' }));
  await on.play();
  // F10: clocks jump, and nobody who is called loses a pod by it.
  const jumpsMs = [3_600_000, -7_200_000, 378_432_000_000];
  for (let second = 0; second < 40; second += 1) {
    if (second % 10 === 9) on.clock.jump(jumpsMs.pop() ?? 0);
    await on.second(1);
    assert.equal(await replicas(), 1);
  }
  for (let second = 0; second < 12; second += 1) await on.second();
  assert.equal(await replicas(), 0);
  await on.play();
  assert.equal(
    (await conditionsOf(cluster, PodAutoscaler, 'hello-00001'))['Ready'],
    'False NoTraffic',
  );
  assert.equal((await conditionsOf(cluster, Revision, 'hello-00001'))['Active'], 'False NoTraffic');
  assert.equal((await conditionsOf(cluster, Service, 'hello'))['Ready'], 'True');
  await cluster.steady();

  const woken = new AbortController();
  const announced = new Promise<void>((resolve) =>
    on.autoscaler.trigger(
      () => resolve(),
      woken.signal,
      () => undefined,
    ),
  );
  on.gateway.send({ type: 'demand', namespace, revision: 'hello-00001', waiting: 1 });
  await announced;
  await cluster.settled();
  assert.equal(await replicas(), 1);
  assert.equal((await conditionsOf(cluster, Revision, 'hello-00001'))['Active'], 'Unknown Queued');
  await on.play();
  assert.equal((await conditionsOf(cluster, Revision, 'hello-00001'))['Active'], 'True');
  woken.abort();
  await cluster.steady();
});

test('serving: traffic stays on the old revision until the new one is ready', async () => {
  await using on = await stage();
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

test('serving: traffic goes to a new revision step by step where a duration is given', async () => {
  await using on = await stage();
  const { client } = on.cluster;
  const asked = (tag: string): Service => {
    const service = hello({ image: `localhost:5000/hello:${tag}` });
    const annotations = { 'serving.knative.dev/rollout-duration': '11s' };
    return { ...service, metadata: { ...service.metadata, annotations } };
  };
  await client.create(Service, asked('v1'));
  await on.play();
  const known = (await client.get(Service, { namespace, name: 'hello' })) ?? assert.fail();
  await client.update(Service, { ...asked('v2'), metadata: known.metadata });
  await on.play();
  const seen: string[] = [];
  for (let second = 0; second < 20; second += 1) {
    const { status } = (await client.get(Route, { namespace, name: 'hello' })) ?? assert.fail();
    const shares = status?.traffic?.map(
      ({ revisionName, percent }) => `${revisionName} ${percent}`,
    );
    const ready = summary(status?.conditions)['Ready'];
    seen.push(`${shares?.join(', ')}: ${ready}`);
    await on.cluster.advance(1_000);
    await on.serveIngresses();
  }
  assert.equal(seen[0], 'hello-00001 99, hello-00002 1: Unknown RolloutInProgress');
  assert.equal(seen[1], 'hello-00001 89, hello-00002 11: Unknown RolloutInProgress');
  assert.equal(seen.at(-1), 'hello-00002 100: True');
  const whole = seen.findIndex((line) => line === 'hello-00002 100: True');
  assert.ok(whole <= 11, seen.join('\n'));
  const ingress = await client.get(Ingress, { namespace, name: 'hello' });
  const text = ingress?.metadata.annotations?.['networking.internal.knative.dev/rollout'] ?? '';
  const revisions = [{ revisionName: 'hello-00002', percent: 100 }];
  assert.deepEqual(JSON.parse(text), {
    configurations: [{ configurationName: 'hello', percent: 100, revisions, stepParams: {} }],
  });
  await on.cluster.steady();
});

test('serving: splits traffic and gives tags their own hosts', async () => {
  await using on = await stage();
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
  await using on = await stage({
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

test('serving: a program that exits is said with its code and last words', async () => {
  await using on = await stage();
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

test('serving: a Configuration of somebody else is not touched', async () => {
  await using on = await stage();
  const { client } = on.cluster;
  await client.create(Configuration, {
    ...fixture<Configuration>(
      '{ apiVersion: serving.knative.dev/v1, kind: Configuration, metadata: { name: hello, namespace: default } }',
    ),
    spec: hello().spec,
  });
  await client.create(Service, hello());
  await on.play();
  const service = await client.get(Service, { namespace, name: 'hello' });
  const ready = service?.status?.conditions?.find(({ type }) => type === 'Ready');
  assert.equal(ready?.reason, 'NotOwned');
  assert.equal(ready?.message, 'There is an existing Configuration "hello" that we do not own.');
  await on.cluster.steady();
});

test('serving: back to an older revision by its name', async () => {
  await using on = await stage();
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

test('serving: traffic that follows no Configuration comes to rest', async () => {
  await using on = await stage();
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
  await using on = await stage();
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
  await using on = await stage();
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
  await using on = await stage();
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

test('serving: as many pods as min-scale says, and then Ready', async () => {
  await using on = await stage();
  const { client } = on.cluster;
  const name = 'hello-00001-deployment';
  await client.create(
    Service,
    hello({ annotations: '{ autoscaling.knative.dev/min-scale: "2" }' }),
  );
  await on.play();
  assert.equal((await client.get(Deployment, { namespace, name }))?.spec?.replicas, 2);
  assert.equal((await conditionsOf(on.cluster, Service, 'hello'))['Ready'], 'True');
  const status = (await client.get(Revision, { namespace, name: 'hello-00001' }))?.status;
  assert.deepEqual([status?.actualReplicas, status?.desiredReplicas], [2, 2]);
  await on.cluster.steady();
});

test('serving: a revision of class hpa is scaled by a HorizontalPodAutoscaler, and never to zero', async () => {
  await using on = await stage();
  const { client } = on.cluster;
  const prefix = 'autoscaling.knative.dev';
  const said = { class: `hpa.${prefix}`, metric: 'cpu', target: '60', window: '90s' };
  const bounds = { 'min-scale': '2', 'max-scale': '5' };
  const lines = Object.entries({ ...said, ...bounds }).map(
    ([key, to]) => `${prefix}/${key}: "${to}"`,
  );
  await client.create(Service, hello({ annotations: `{ ${lines.join(', ')} }` }));
  await on.play();
  await on.cluster.advance(15_000);
  await on.play();
  await on.cluster.advance(15_000);
  await on.play();
  const at = { namespace, name: 'hello-00001' };
  const { spec, metadata } = (await client.get(HorizontalPodAutoscaler, at)) ?? assert.fail();
  assert.equal(metadata.ownerReferences?.[0]?.kind, 'PodAutoscaler');
  assert.deepEqual(spec?.scaleTargetRef, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    name: 'hello-00001-deployment',
  });
  assert.deepEqual([spec?.minReplicas, spec?.maxReplicas], [2, 5]);
  const target = { type: 'Utilization', averageUtilization: 60 };
  assert.deepEqual(spec?.metrics, [{ type: 'Resource', resource: { name: 'cpu', target } }]);
  assert.equal(spec?.behavior?.scaleUp?.stabilizationWindowSeconds, 90);
  assert.equal(spec?.behavior?.scaleDown?.stabilizationWindowSeconds, 90);
  const sks = await client.get(ServerlessService, at);
  assert.deepEqual([sks?.spec.mode, sks?.spec.numActivators], ['Serve', 0]);
  const status = (await client.get(PodAutoscaler, at))?.status;
  assert.deepEqual([status?.actualScale, status?.desiredScale], [2, 2]);
  assert.deepEqual(summary(status?.conditions), {
    Active: 'True',
    Ready: 'True',
    SKSReady: 'True',
    ScaleTargetInitialized: 'True',
  });
  assert.equal((await conditionsOf(on.cluster, Service, 'hello'))['Ready'], 'True');
  for (let second = 0; second < 120; second += 1) await on.second();
  const deployment = { namespace, name: 'hello-00001-deployment' };
  assert.equal((await client.get(Deployment, deployment))?.spec?.replicas, 2);
});

test('serving: a HorizontalPodAutoscaler of somebody else is left alone, and said', async () => {
  await using on = await stage();
  const { client } = on.cluster;
  const theirs = fixture<HorizontalPodAutoscaler>(`
    apiVersion: autoscaling/v2
    kind: HorizontalPodAutoscaler
    metadata: { name: hello-00001, namespace: default }
    spec: { scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: other }, maxReplicas: 3 }
  `);
  await client.create(HorizontalPodAutoscaler, theirs);
  const annotations = '{ autoscaling.knative.dev/class: hpa.autoscaling.knative.dev }';
  await client.create(Service, hello({ annotations }));
  await on.play();
  const at = { namespace, name: 'hello-00001' };
  const conditions = (await client.get(PodAutoscaler, at))?.status?.conditions;
  const active = conditions?.find(({ type }) => type === 'Active');
  assert.deepEqual([active?.status, active?.reason], ['False', 'NotOwned']);
  assert.match(active?.message ?? '', /HorizontalPodAutoscaler "hello-00001" that we do not own/);
  const left = await client.get(HorizontalPodAutoscaler, at);
  assert.equal(left?.spec?.scaleTargetRef.name, 'other');
});

test('serving: revisions that nobody uses go after a while, the one in use never', async () => {
  await using on = await stage();
  say(on, 'config-gc', {
    'retain-since-create-time': 'disabled',
    'retain-since-last-active-time': '60s',
    'min-non-active-revisions': '1',
    'max-non-active-revisions': 'disabled',
  });
  const { client } = on.cluster;
  await client.create(Service, hello());
  await on.play();
  for (const tag of ['v2', 'v3', 'v4']) {
    const service = (await client.get(Service, { namespace, name: 'hello' })) ?? assert.fail();
    const next = hello({ image: `localhost:5000/hello:${tag}` });
    await client.update(Service, { ...next, metadata: service.metadata });
    await on.play();
    await on.cluster.advance(1_000);
  }
  const left = async (): Promise<unknown> =>
    (await client.list(Revision)).items.map(({ metadata }) => metadata.name ?? '').toSorted();
  assert.deepEqual(await left(), ['hello-00001', 'hello-00002', 'hello-00003', 'hello-00004']);
  await on.cluster.advance(120_000);
  assert.deepEqual(await left(), ['hello-00003', 'hello-00004']);
  await on.play();
  assert.equal((await conditionsOf(on.cluster, Service, 'hello'))['Ready'], 'True');
});

test('serving: with a Service goes all that was made for it', async () => {
  await using on = await stage();
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
    await using on = await stage({ refuse });
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
