import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '#base/fake-clock.ts';
import { Deployment } from '#api/apps-v1/deployment.ts';
import { HorizontalPodAutoscaler } from '#api/autoscaling-v2/horizontal-pod-autoscaler.ts';
import { Event } from '#api/core-v1/event.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { coreKinds } from '#api/kinds.ts';
import type { PodMetrics } from '#api/metrics-v1beta1/pod-metrics.ts';
import { fixedKinds } from '#api/served-kinds.ts';
import { deploymentController } from '#controllers/core/deployment/deployment-controller.ts';
import { horizontalPodAutoscalerController } from '#controllers/core/horizontal-pod-autoscaler/horizontal-pod-autoscaler-controller.ts';
import { replicaSetController } from '#controllers/core/replica-set/replica-set-controller.ts';
import { startCluster, type Cluster } from '#test/support/cluster.ts';
import { fixture } from '#test/support/fixture.ts';

const ref = { namespace: 'default', name: 'web' };
const CPU_HALF =
  '{ type: Resource, resource: { name: cpu, target: { type: Utilization, averageUtilization: 50 } } }';

function deployment(replicas: number): Deployment {
  return fixture(`
    apiVersion: apps/v1
    kind: Deployment
    metadata: { name: web, namespace: default }
    spec:
      replicas: ${replicas}
      selector: { matchLabels: { app: web } }
      template:
        metadata: { labels: { app: web } }
        spec:
          containers:
            - { name: main, image: example.com/a, resources: { requests: { cpu: 100m } } }
            - { name: side, image: example.com/b, resources: { requests: { cpu: 100m } } }
  `);
}

function autoscaler(spec: string): HorizontalPodAutoscaler {
  return fixture(`
    apiVersion: autoscaling/v2
    kind: HorizontalPodAutoscaler
    metadata: { name: web, namespace: default }
    spec:
      scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: web }
      maxReplicas: 10
      ${spec}
  `);
}

/** A cluster whose pods use what the test says, each the same. */
interface Bed extends AsyncDisposable {
  readonly cluster: Cluster;
  /** Of the containers `main` and `side` of every pod; undefined: not measured. */
  uses: { readonly main: string; readonly side: string } | undefined;
  /** A look later, all pods there are then being ready for long. */
  look(): Promise<void>;
  replicas(): Promise<number | undefined>;
  /** `AbleToScale True ReadyForNewScale` */
  conditions(): Promise<string[]>;
  status(): Promise<NonNullable<HorizontalPodAutoscaler['status']>>;
  events(): Promise<string[]>;
}

async function start(spec: string, replicas = 2): Promise<Bed> {
  const clock = new FakeClock();
  let pods: readonly Pod[] = [];
  const measured = (): PodMetrics[] =>
    pods.flatMap(({ metadata: { name = '', labels } }) => {
      const now = clock.now().toISOString();
      if (!bed.uses) return [];
      return {
        apiVersion: 'metrics.k8s.io/v1beta1',
        kind: 'PodMetrics',
        metadata: { name, namespace: 'default', ...(labels && { labels }) },
        timestamp: now,
        window: '15s',
        containers: Object.entries(bed.uses).map(([container, cpu]) => ({
          name: container,
          usage: { cpu, memory: '64Mi' },
        })),
      };
    });
  const cluster = await startCluster({
    clock,
    controllers: [
      deploymentController(),
      replicaSetController,
      horizontalPodAutoscalerController(fixedKinds(coreKinds)),
    ],
    metrics: { pods: measured, nodes: () => [] },
  });
  const { client } = cluster;
  const ripen = async (): Promise<void> => {
    pods = (await client.list(Pod)).items;
    for (const pod of pods.filter(({ status }) => status?.phase !== 'Running')) {
      const condition = { type: 'Ready', status: 'True', lastTransitionTime: OLD };
      const status = { phase: 'Running', startTime: OLD, conditions: [condition] };
      await client.updateStatus(Pod, { ...pod, status });
    }
    await cluster.settled();
  };
  const bed: Bed = {
    cluster,
    uses: { main: '100m', side: '0' },
    async look() {
      await ripen();
      await cluster.advance(15_000);
    },
    replicas: async () => (await client.get(Deployment, ref))?.spec?.replicas,
    status: async () =>
      (await client.get(HorizontalPodAutoscaler, ref))?.status ?? { desiredReplicas: -1 },
    async conditions() {
      const { conditions = [] } = await bed.status();
      return conditions.map(({ type, status, reason }) => `${type} ${status} ${reason}`);
    },
    events: async () =>
      (await client.list(Event)).items
        .filter(({ involvedObject }) => involvedObject.kind === 'HorizontalPodAutoscaler')
        .map(({ reason, message }) => `${reason}: ${message}`),
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
  await client.create(Deployment, deployment(replicas));
  await cluster.settled();
  await ripen();
  await client.create(HorizontalPodAutoscaler, autoscaler(spec));
  await cluster.settled();
  return bed;
}

const OLD = '2025-12-01T00:00:00Z';

test('autoscaler: adds pods by their use of what they request, and takes them away five minutes later', async () => {
  await using it = await start(`metrics: [${CPU_HALF}]`);
  assert.equal(await it.replicas(), 2);
  assert.deepEqual(await it.conditions(), [
    'AbleToScale True ReadyForNewScale',
    'ScalingActive True ValidMetricFound',
    'ScalingLimited False DesiredWithinRange',
  ]);
  const { currentMetrics, currentReplicas, desiredReplicas } = await it.status();
  assert.deepEqual([currentReplicas, desiredReplicas], [2, 2]);
  const current = { averageUtilization: 50, averageValue: '100m' };
  assert.deepEqual(currentMetrics, [{ type: 'Resource', resource: { name: 'cpu', current } }]);
  await it.cluster.steady();

  it.uses = { main: '150m', side: '50m' };
  await it.look();
  assert.equal(await it.replicas(), 4);
  assert.deepEqual((await it.conditions())[0], 'AbleToScale True SucceededRescale');
  assert.equal((await it.status()).lastScaleTime, '2026-01-01T00:00:15Z');
  assert.deepEqual(await it.events(), [
    'SuccessfulRescale: New size: 4; reason: cpu resource utilization (percentage of request) above target',
  ]);
  await it.cluster.steady();

  it.uses = { main: '20m', side: '0' };
  for (let looks = 0; looks < 19; looks += 1) {
    await it.look();
    assert.equal(await it.replicas(), 4, `after ${looks} looks`);
  }
  assert.deepEqual((await it.conditions())[0], 'AbleToScale True ScaleDownStabilized');
  await it.look();
  assert.equal(await it.replicas(), 1);
  const events = await it.events();
  assert.ok(events.includes('SuccessfulRescale: New size: 1; reason: All metrics below target'));
  await it.cluster.steady();
});

test('autoscaler: one container’s use, and of several metrics the one that asks for most', async () => {
  const side =
    '{ type: ContainerResource, containerResource: { name: cpu, container: side, target: { type: AverageValue, averageValue: 20m } } }';
  const memory =
    '{ type: Resource, resource: { name: memory, target: { type: AverageValue, averageValue: 256Mi } } }';
  await using it = await start(`metrics: [${CPU_HALF}, ${side}, ${memory}]`, 1);
  it.uses = { main: '0', side: '60m' };
  await it.look();
  assert.equal(await it.replicas(), 3);
  const { currentMetrics } = await it.status();
  assert.deepEqual(
    currentMetrics?.map(({ type }) => type),
    ['Resource', 'ContainerResource', 'Resource'],
  );
  const current = { averageValue: '60m' };
  assert.deepEqual(currentMetrics?.[1]?.containerResource, {
    name: 'cpu',
    container: 'side',
    current,
  });
});

test('autoscaler: stays within its bounds, also where nothing is measured', async () => {
  await using it = await start(`minReplicas: 3\n      metrics: [${CPU_HALF}]`);
  assert.equal(await it.replicas(), 3);
  assert.deepEqual(await it.events(), [
    'SuccessfulRescale: New size: 3; reason: Current number of replicas below Spec.MinReplicas',
  ]);
  it.uses = { main: '1', side: '1' };
  await it.look();
  assert.equal(await it.replicas(), 6);
  assert.ok((await it.conditions()).includes('ScalingLimited True ScaleUpLimit'));
  await it.look();
  assert.equal(await it.replicas(), 10);
  assert.ok((await it.conditions()).includes('ScalingLimited True TooManyReplicas'));
  await it.cluster.client.patch(
    HorizontalPodAutoscaler,
    ref,
    { spec: { maxReplicas: 5 } },
    { type: 'merge' },
  );
  await it.cluster.settled();
  assert.equal(await it.replicas(), 5);
});

test('autoscaler: says what it misses', async () => {
  await using it = await start(`metrics: [${CPU_HALF}]`);
  it.uses = undefined;
  await it.look();
  assert.deepEqual((await it.conditions())[1], 'ScalingActive False FailedGetResourceMetric');
  const problem =
    'failed to get cpu utilization: unable to get metrics for resource cpu: no metrics returned from resource metrics API';
  const { conditions } = await it.status();
  assert.equal(
    conditions?.[1]?.message,
    `the HPA was unable to compute the replica count: ${problem}`,
  );
  assert.deepEqual(
    await it.events(),
    [
      `FailedComputeMetricsReplicas: invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: ${problem}`,
      `FailedGetResourceMetric: ${problem}`,
    ].toSorted(),
  );
  assert.equal(await it.replicas(), 2);
  await it.cluster.steady();
});

test('autoscaler: a metric that says nothing lets no pod be taken away', async () => {
  const external =
    '{ type: External, external: { metric: { name: q }, target: { type: Value, value: 1 } } }';
  await using it = await start(`metrics: [${external}, ${CPU_HALF}]`);
  it.uses = { main: '0', side: '0' };
  for (let looks = 0; looks < 25; looks += 1) await it.look();
  assert.equal(await it.replicas(), 2);
  assert.deepEqual((await it.conditions())[1], 'ScalingActive False FailedGetExternalMetric');
  it.uses = { main: '200m', side: '0' };
  await it.look();
  assert.equal(await it.replicas(), 4);
});

test('autoscaler: a target that is not there, or is turned off, is told as such', async () => {
  await using it = await start(`metrics: [${CPU_HALF}]`);
  const { client } = it.cluster;
  await client.patch(Deployment, ref, { spec: { replicas: 0 } }, { type: 'merge' });
  await it.look();
  assert.equal(await it.replicas(), 0);
  assert.deepEqual((await it.conditions())[1], 'ScalingActive False ScalingDisabled');
  const check = async (target: object, message: string): Promise<void> => {
    const patch = { spec: { scaleTargetRef: target } };
    await client.patch(HorizontalPodAutoscaler, ref, patch, { type: 'merge' });
    await it.cluster.settled();
    const [able] = (await it.status()).conditions ?? [];
    assert.deepEqual(
      [able?.status, able?.reason, able?.message],
      [
        'False',
        'FailedGetScale',
        `the HPA controller was unable to get the target's current scale: ${message}`,
      ],
    );
    await it.cluster.steady();
  };
  await check({ name: 'gone' }, 'deployments.apps "gone" not found');
  await check(
    { apiVersion: 'example.com/v1', kind: 'Crane' },
    'unable to determine resource for scale target reference: no matches for kind "Crane" in group "example.com"',
  );
});

test('autoscaler: two that mean the same pods are told of each other, and neither scales', async () => {
  await using bed = await start(`metrics: [${CPU_HALF}]`);
  const { client } = bed.cluster;
  const { metadata, ...rest } = autoscaler(`metrics: [${CPU_HALF}]`);
  await client.create(HorizontalPodAutoscaler, { ...rest, metadata: { ...metadata, name: 'too' } });
  await bed.look();
  await bed.look();
  const before = await bed.replicas();
  bed.uses = { main: '200m', side: '200m' };
  await bed.look();
  assert.equal(await bed.replicas(), before);
  assert.ok((await bed.conditions()).includes('ScalingActive False AmbiguousSelector'));
  const { conditions } = await bed.status();
  const message =
    'pods by selector app=web are controlled by multiple HPAs: [{web default} {too default}]';
  assert.equal(conditions?.find(({ type }) => type === 'ScalingActive')?.message, message);
  await client.delete(HorizontalPodAutoscaler, { namespace: 'default', name: 'too' });
  await bed.look();
  assert.notEqual(await bed.replicas(), before);
});
