import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { clusterUnderTest, type ClusterUnderTest } from '#test/support/cluster-under-test.ts';
import { foreignParts } from '#test/support/foreign-parts.ts';
import { made } from '#test/support/observe.ts';
import { at } from '#test/support/wire.ts';

const resources = new AsyncDisposableStack();
after(async () => await resources.disposeAsync());
let started: Promise<ClusterUnderTest> | undefined;

async function start(): Promise<ClusterUnderTest> {
  const cluster = await clusterUnderTest();
  if (!cluster.isReal) return cluster;
  const parts = resources.use(await foreignParts(cluster.kubeconfig));
  await parts.start('controllers');
  await parts.start('webhook', '--webhook-port', '0');
  return cluster;
}

async function onCluster(): Promise<ClusterUnderTest> {
  started ??= start();
  return await started;
}

const MAPS = '/api/v1/namespaces/knative-serving/configmaps';
const merge = { headers: { 'content-type': 'application/merge-patch+json' } };

test('serving config: each ConfigMap is there, shows what it could say, and says nothing', async () => {
  const cluster = await onCluster();
  for (const part of [
    'autoscaler',
    'certmanager',
    'defaults',
    'deployment',
    'domain',
    'features',
    'gc',
    'leader-election',
    'logging',
    'network',
    'observability',
  ]) {
    const { status, body } = await cluster.send('GET', `${MAPS}/config-${part}`);
    assert.equal(status, 200, part);
    assert.deepEqual(Object.keys(at(body, 'data') as object), ['_example'], part);
    const labels = at(body, 'metadata.labels') as Record<string, string>;
    assert.equal(labels['app.kubernetes.io/name'], 'knative-serving');
  }
});

test('serving config: what is wrong is refused in the words of its webhook, and stays as it was', async () => {
  const cluster = await onCluster();
  const wrong = { data: { 'stable-window': '5s' } };
  const { status, body } = await cluster.send('PATCH', `${MAPS}/config-autoscaler`, wrong, merge);
  assert.equal(status, 400, JSON.stringify(body));
  assert.equal(
    at(body, 'message'),
    'admission webhook "config.webhook.serving.knative.dev" denied the request: validation failed: stable-window = 5s, must be in [6s; 1h0m0s] range',
  );
  const edited = await cluster.send(
    'PATCH',
    `${MAPS}/config-gc`,
    { data: { _example: 'x' } },
    merge,
  );
  assert.match(String(at(edited.body, 'message')), /modifies a key in "_example"/);
});

test('serving config: what it says counts for the next Service, and no longer once it is gone', async () => {
  const cluster = await onCluster();
  const namespace = await cluster.namespace();
  const services = `/apis/serving.knative.dev/v1/namespaces/${namespace}/services`;
  const service = (name: string): object => ({
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    metadata: { name },
    spec: { template: { spec: { containers: [{ image: 'registry.example.com/hello' }] } } },
  });
  const timeoutOf = async (name: string): Promise<unknown> =>
    at(await made(cluster, services, service(name)), 'spec.template.spec.timeoutSeconds');
  const say = async (value: string | null): Promise<void> => {
    const data = { 'revision-timeout-seconds': value };
    const { status } = await cluster.send('PATCH', `${MAPS}/config-defaults`, { data }, merge);
    assert.equal(status, 200);
  };
  /** Whoever admits hears of a write a moment after it. */
  const heard = async (value: number): Promise<void> => {
    const late = AbortSignal.timeout(10_000);
    for (let tries = 0; ; tries += 1) {
      if ((await timeoutOf(`at-${value}-${tries}`)) === value) return;
      assert.ok(!late.aborted, `no Service has ${value}`);
    }
  };
  await say('77');
  await heard(77);
  await say(null);
  await heard(300);
});
