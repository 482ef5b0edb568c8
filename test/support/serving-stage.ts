import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ChallengeResponder } from '#acme/challenge-responder.ts';
import { FakeClock } from '#base/fake-clock.ts';
import { silentLog } from '#base/log.ts';
import { systemClock } from '#base/clock.ts';
import { seededRandom } from '#base/random.ts';
import { coreKinds, servingKinds } from '#api/kinds.ts';
import { fixedKinds } from '#api/served-kinds.ts';
import type { PodAutoscaler } from '#api/autoscaling-v1alpha1/pod-autoscaler.ts';
import type { ServerlessService } from '#api/networking-v1alpha1/serverless-service.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { Conditions, type Condition } from '#api/meta/conditions.ts';
import { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import type { Configuration } from '#api/serving-v1/configuration.ts';
import type { Revision } from '#api/serving-v1/revision.ts';
import type { Route } from '#api/serving-v1/route.ts';
import type { Service } from '#api/serving-v1/service.ts';
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
import type { AnyController } from '#reconcile/controller.ts';
import { startCluster, type Cluster, type ClusterOptions } from '#test/support/cluster.ts';
import { fixture } from '#test/support/fixture.ts';

export const places = {
  ...servingDefaults,
  publicPort: 8080,
  publicHttpsPort: 8443,
  backend: { address: '10.1.0.1', port: 8012 },
};
export const namespace = 'default';
export const digest = (image: string): string => `${image.split(':')[0]}@sha256:${'a'.repeat(64)}`;

export interface ServingStage extends AsyncDisposable {
  readonly cluster: Cluster;
  /** Serving's own; Kubernetes' run beside them. */
  readonly controllers: readonly AnyController[];
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
  second(concurrency?: number, requests?: number): Promise<void>;
}

export interface ServingStageOptions {
  readonly resolveDigest?: ResolveDigest;
  readonly refuse?: NonNullable<ClusterOptions['refuse']>;
  readonly refuseDeletion?: NonNullable<ClusterOptions['refuseDeletion']>;
}

/** More than this without coming to rest: something is made and refused for ever. */
const ROUNDS_MAX = 200;

export async function servingStage({
  resolveDigest = async (image) => digest(image),
  refuse = () => undefined,
  refuseDeletion = () => undefined,
}: ServingStageOptions = {}): Promise<ServingStage> {
  const folder = await mkdtemp(path.join(tmpdir(), 'knode-'));
  const socketPath = path.join(folder, 'measurements.sock');
  const clock = new FakeClock();
  const live = new LiveSettings();
  const challenges = new ChallengeResponder('127.0.0.1');
  const config: ServingConfig = { ...places, challenges, settings: live.current };
  const autoscaler = await startAutoscaler({ socketPath, clock, log: silentLog });
  const controllers = servingControllers({ config, autoscaler, resolveDigest, clock, live });
  const cluster = await startCluster({
    clock,
    refuse,
    refuseDeletion,
    kinds: servingKinds,
    server: { serving: live.current },
    loops: [garbageCollector(fixedKinds([...coreKinds, ...servingKinds]))],
    controllers: [
      deploymentController(),
      replicaSetController,
      endpointSliceController,
      horizontalPodAutoscalerController(fixedKinds([...coreKinds, ...servingKinds])),
      ...controllers,
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
    controllers,
    autoscaler,
    live,
    clock,
    gateway,
    runPods,
    serveIngresses,
    async play() {
      for (let before = -1, rounds = 0; before !== cluster.store.revision; rounds += 1) {
        assert.ok(rounds < ROUNDS_MAX, 'the cluster does not come to rest');
        before = cluster.store.revision;
        await cluster.settled();
        await runPods();
        await serveIngresses();
      }
    },
    async second(concurrency, requests = 1) {
      const loads =
        concurrency === undefined
          ? []
          : [{ namespace, revision: 'hello-00001', concurrency, requests }];
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
      await challenges[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    },
  };
}

/** As if somebody had written it to the ConfigMap. */
export function say({ live }: ServingStage, name: string, data: Record<string, string>): void {
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

export function hello(
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

export function summary(conditions: readonly Condition[] | undefined): Record<string, string> {
  return Object.fromEntries(
    (conditions ?? []).map(({ type, status, reason }) => [
      type,
      reason ? `${status} ${reason}` : status,
    ]),
  );
}

export async function conditionsOf(
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
