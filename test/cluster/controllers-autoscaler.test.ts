import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterUnderTest } from '#test/support/cluster-under-test.ts';
import { conditionsOf, made, until } from '#test/support/observe.ts';
import { at } from '#test/support/wire.ts';

interface Scaled {
  readonly autoscaler: string;
  readonly deployment: string;
}

/** An autoscaler of `web`, which may run one to three pods. */
async function scale(spec: object, replicas?: number): Promise<Scaled> {
  const cluster = await clusterUnderTest();
  const namespace = await cluster.namespace();
  const apps = `/apis/apps/v1/namespaces/${namespace}/deployments`;
  if (replicas !== undefined) {
    const labels = { app: 'web' };
    const template = { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'x' }] } };
    await made(cluster, apps, {
      metadata: { name: 'web' },
      spec: { replicas, selector: { matchLabels: labels }, template },
    });
  }
  const autoscalers = `/apis/autoscaling/v2/namespaces/${namespace}/horizontalpodautoscalers`;
  const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' };
  await made(cluster, autoscalers, {
    metadata: { name: 'web' },
    spec: { minReplicas: 1, maxReplicas: 3, scaleTargetRef, ...spec },
  });
  return { autoscaler: `${autoscalers}/web`, deployment: `${apps}/web` };
}

const cpu = {
  metrics: [
    {
      type: 'Resource',
      resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } },
    },
  ],
};

test('autoscaler: says that there is nothing of its name to scale', async () => {
  const cluster = await clusterUnderTest();
  const { autoscaler } = await scale(cpu);
  const seen = await until(cluster, autoscaler, (it) => 'AbleToScale' in conditionsOf(it));
  assert.deepEqual(conditionsOf(seen), {
    AbleToScale: {
      type: 'AbleToScale',
      status: 'False',
      reason: 'FailedGetScale',
      message: `the HPA controller was unable to get the target's current scale: deployments.apps "web" not found`,
    },
  });
});

test('autoscaler: leaves alone what was put to zero', async () => {
  const cluster = await clusterUnderTest();
  const { autoscaler } = await scale(cpu, 0);
  const seen = await until(cluster, autoscaler, (it) => 'ScalingActive' in conditionsOf(it));
  assert.deepEqual(conditionsOf(seen), {
    AbleToScale: {
      type: 'AbleToScale',
      status: 'True',
      reason: 'SucceededGetScale',
      message: "the HPA controller was able to get the target's current scale",
    },
    ScalingActive: {
      type: 'ScalingActive',
      status: 'False',
      reason: 'ScalingDisabled',
      message: 'scaling is disabled since the replica count of the target is zero',
    },
  });
  assert.equal(at(seen, 'status.desiredReplicas'), 0);
});

test('autoscaler: brings what is outside its bounds into them, whatever is used', async () => {
  const cluster = await clusterUnderTest();
  for (const [replicas, wanted] of [
    [5, 3],
    [1, 2],
  ] as const) {
    const { autoscaler, deployment } = await scale({ ...cpu, minReplicas: 2 }, replicas);
    await until(cluster, deployment, (it) => at(it, 'spec.replicas') === wanted);
    const isSaid = (it: unknown): boolean => at(it, 'status.desiredReplicas') === wanted;
    const seen = await until(cluster, autoscaler, isSaid);
    assert.notEqual(at(seen, 'status.lastScaleTime'), undefined);
    assert.equal(conditionsOf(seen)['AbleToScale']?.status, 'True');
  }
});

test('autoscaler: without numbers it does nothing, and says so', async () => {
  const cluster = await clusterUnderTest();
  const { autoscaler, deployment } = await scale(cpu, 2);
  const seen = await until(cluster, autoscaler, (it) => 'ScalingActive' in conditionsOf(it));
  const { status, reason, message = '' } = conditionsOf(seen)['ScalingActive'] ?? {};
  assert.deepEqual([status, reason], ['False', 'FailedGetResourceMetric']);
  const start = 'the HPA was unable to compute the replica count: failed to get cpu utilization: ';
  assert.ok(message.startsWith(start), message);
  assert.equal(at((await cluster.send('GET', deployment)).body, 'spec.replicas'), 2);
});
