import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deployment } from '#api/apps-v1/deployment.ts';
import { PodAutoscaler } from '#api/autoscaling-v1alpha1/pod-autoscaler.ts';
import { HorizontalPodAutoscaler } from '#api/autoscaling-v2/horizontal-pod-autoscaler.ts';
import { conditionOf } from '#api/meta/conditions.ts';
import { ServerlessService } from '#api/networking-v1alpha1/serverless-service.ts';
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
  summary,
  type ServingStage,
} from '#test/support/serving-stage.ts';

test('serving: goes to zero after its window and comes back on demand', async () => {
  await using on = await servingStage();
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

test('serving: traffic goes to a new revision step by step where a duration is given', async () => {
  await using on = await servingStage();
  const { client } = on.cluster;
  const asked = (tag: string): Service => {
    const service = hello({ image: `localhost:5000/hello:${tag}` });
    // No time of its own: the cluster's.
    const annotations = { 'serving.knative.dev/rollout-duration': '0s' };
    return { ...service, metadata: { ...service.metadata, annotations } };
  };
  say(on, 'config-network', { 'rollout-duration': '11' });
  await client.create(Service, asked('v1'));
  await on.play();
  const known = (await client.get(Service, { namespace, name: 'hello' })) ?? assert.fail();
  await client.update(Service, { ...asked('v2'), metadata: known.metadata });
  await on.play();
  const seen: string[] = [];
  const assertInProgress = async (): Promise<void> => {
    const { status } = (await client.get(Route, { namespace, name: 'hello' })) ?? assert.fail();
    if (status?.traffic?.length !== 2) return;
    assert.equal(summary(status.conditions)['IngressReady'], 'Unknown RolloutInProgress');
  };
  for (let second = 0; second < 20; second += 1) {
    const { status } = (await client.get(Route, { namespace, name: 'hello' })) ?? assert.fail();
    const shares = status?.traffic?.map(
      ({ revisionName, percent }) => `${revisionName} ${percent}`,
    );
    const ready = summary(status?.conditions)['Ready'];
    seen.push(`${shares?.join(', ')}: ${ready}`);
    await on.cluster.advance(1_000);
    // While the gateway takes a step, too.
    await assertInProgress();
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

test('serving: as many pods as min-scale says, and then Ready', async () => {
  await using on = await servingStage();
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

const MIN_SCALE = 'autoscaling.knative.dev/min-scale';

/** What a revision's PodAutoscaler was told, and what its Deployment has. */
async function scaleOf(
  { cluster: { client } }: ServingStage,
  name: string,
): Promise<{
  readonly reachability?: string;
  readonly minScale?: string;
  readonly replicas?: number;
}> {
  const autoscaler = await client.get(PodAutoscaler, { namespace, name });
  const deployment = await client.get(Deployment, { namespace, name: `${name}-deployment` });
  const minScale = autoscaler?.metadata.annotations?.[MIN_SCALE];
  const { replicas } = deployment?.spec ?? {};
  const { reachability } = autoscaler?.spec ?? {};
  return {
    ...(reachability !== undefined && { reachability }),
    ...(minScale !== undefined && { minScale }),
    ...(replicas !== undefined && { replicas }),
  };
}

test('serving: the min-scale of a Revision may be changed and taken away', async () => {
  await using on = await servingStage();
  const { client } = on.cluster;
  const windowed = 'autoscaling.knative.dev/window: 6s';
  await client.create(Service, hello({ annotations: `{ ${MIN_SCALE}: "2", ${windowed} }` }));
  await on.play();
  const at = { namespace, name: 'hello-00001' };
  const say = async (minScale: string | null): Promise<void> => {
    const patch = { metadata: { annotations: { [MIN_SCALE]: minScale } } };
    await client.patch(Revision, at, patch, { type: 'merge' });
    await on.play();
  };
  const reachability = 'Reachable';
  assert.deepEqual(await scaleOf(on, at.name), { reachability, minScale: '2', replicas: 2 });
  await say('3');
  assert.deepEqual(await scaleOf(on, at.name), { reachability, minScale: '3', replicas: 3 });
  assert.equal((await client.get(Revision, at))?.status?.actualReplicas, 3);
  assert.equal((await client.list(Revision)).items.length, 1, 'that makes no new one');
  await say(null);
  for (let second = 0; second < 60; second += 1) await on.second();
  await on.play();
  assert.deepEqual(await scaleOf(on, at.name), { reachability, replicas: 0 });
  await say('1');
  assert.deepEqual(await scaleOf(on, at.name), { reachability, minScale: '1', replicas: 1 });
  await on.cluster.steady();
});

test('serving: what no Route leads to has no min-scale, until one leads there again', async () => {
  await using on = await servingStage();
  const { client } = on.cluster;
  const annotations = `{ ${MIN_SCALE}: "2" }`;
  await client.create(Service, hello({ annotations }));
  await on.play();
  await client.apply(Service, hello({ image: 'localhost:5000/hello:v2', annotations }));
  await on.play();
  const old = 'hello-00001';
  assert.deepEqual(await scaleOf(on, old), {
    reachability: 'Unreachable',
    minScale: '2',
    replicas: 2,
  });
  // Nobody calls: what was wanted for the first minute is not held for longer.
  for (let second = 0; second < 130; second += 1) await on.second();
  await on.play();
  assert.equal((await scaleOf(on, old)).replicas, 0);
  const current = { reachability: 'Reachable', minScale: '2', replicas: 2 };
  assert.deepEqual(await scaleOf(on, 'hello-00002'), current);
  const back = '[{ revisionName: hello-00001, percent: 100 }]';
  const image = 'localhost:5000/hello:v2';
  await client.apply(Service, hello({ image, annotations, traffic: back }));
  await on.play();
  assert.deepEqual(await scaleOf(on, old), current);
  assert.equal((await scaleOf(on, 'hello-00002')).reachability, 'Unreachable');
  await on.cluster.steady();
});

test('serving: a Configuration that no Route has ever led to is neither reachable nor not', async () => {
  await using on = await servingStage();
  const { spec } = hello();
  await on.cluster.client.create(Configuration, {
    ...fixture<Configuration>(`
      apiVersion: serving.knative.dev/v1
      kind: Configuration
      metadata: { name: alone, namespace: default }
    `),
    spec: { template: spec.template ?? {} },
  });
  await on.play();
  assert.deepEqual(await scaleOf(on, 'alone-00001'), { reachability: '', replicas: 1 });
  assert.equal((await conditionsOf(on.cluster, Revision, 'alone-00001'))['Ready'], 'True');
});

test('serving: a revision that does not come up in time is given up, and says so', async () => {
  await using on = await servingStage();
  const { client } = on.cluster;
  const said = new Set<string>();
  on.cluster.running.informers.of(PodAutoscaler).onChange(({ current }) => {
    const active = current && conditionOf(current, 'Active');
    said.add(`${active?.status} ${active?.reason}: ${active?.message}`);
  });
  const deadline = '{ serving.knative.dev/progress-deadline: 60s }';
  await client.create(Service, hello({ annotations: deadline }));
  await on.cluster.settled();
  const name = 'hello-00001';
  await on.cluster.advance(60_001);
  assert.equal(
    (await conditionsOf(on.cluster, Revision, name))['ResourcesAvailable'],
    'False ProgressDeadlineExceeded',
  );
  // Its failing pods may be looked at for half a minute more.
  await on.cluster.advance(29_000);
  assert.deepEqual(await scaleOf(on, name), { reachability: 'Unreachable', replicas: 1 });
  await on.cluster.advance(3_000);
  assert.equal((await scaleOf(on, name)).replicas, 0);
  // As upstream: by the next look nobody waits for it any more, and there is no traffic.
  const timedOut = 'False TimedOut: The target could not be activated.';
  assert.ok(said.has(timedOut), [...said].join('\n'));
  assert.equal((await conditionsOf(on.cluster, Revision, name))['Active'], 'False NoTraffic');
  assert.equal(
    (await conditionsOf(on.cluster, Service, 'hello'))['ConfigurationsReady'],
    'False RevisionFailed',
  );
  await on.cluster.steady();
});

test('serving: a revision of class hpa is scaled by a HorizontalPodAutoscaler, and never to zero', async () => {
  await using on = await servingStage();
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
  await using on = await servingStage();
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
  await using on = await servingStage();
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
