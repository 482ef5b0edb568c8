import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClusterUnderTest } from '#test/support/cluster-under-test.ts';
import { made } from '#test/support/observe.ts';
import { servingUnderTest } from '#test/support/serving-under-test.ts';
import { at } from '#test/support/wire.ts';

const MAPS = '/api/v1/namespaces/knative-serving/configmaps';
const merge = { headers: { 'content-type': 'application/merge-patch+json' } };

test('serving config: each ConfigMap is there, shows what it could say, and says nothing', async () => {
  const cluster = await servingUnderTest();
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
    'tracing',
  ]) {
    const { status, body } = await cluster.send('GET', `${MAPS}/config-${part}`);
    assert.equal(status, 200, part);
    assert.deepEqual(Object.keys(at(body, 'data') as object), ['_example'], part);
    const labels = at(body, 'metadata.labels') as Record<string, string>;
    assert.equal(labels['app.kubernetes.io/name'], 'knative-serving');
  }
});

test('serving config: what is wrong is refused in the words of its webhook, and stays as it was', async () => {
  const cluster = await servingUnderTest();
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

/** Whoever admits hears of a write a moment after it. */
async function eventually(isSo: (tries: number) => Promise<boolean>): Promise<void> {
  const late = AbortSignal.timeout(10_000);
  for (let tries = 0; !(await isSo(tries)); tries += 1) {
    assert.ok(!late.aborted, 'what a ConfigMap says does not count');
  }
}

async function say(cluster: ClusterUnderTest, name: string, data: object): Promise<void> {
  const { status, body } = await cluster.send('PATCH', `${MAPS}/${name}`, { data }, merge);
  assert.equal(status, 200, JSON.stringify(body));
}

function service(name: string, spec: object = {}): object {
  const containers = [{ image: 'registry.example.com/hello' }];
  return {
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    metadata: { name },
    spec: { template: { spec: { containers, ...spec } } },
  };
}

async function servicesOf(cluster: ClusterUnderTest): Promise<string> {
  return `/apis/serving.knative.dev/v1/namespaces/${await cluster.namespace()}/services`;
}

test('serving config: what it says counts for the next Service, and no longer once it is gone', async () => {
  const cluster = await servingUnderTest();
  const services = await servicesOf(cluster);
  const isDefaultedTo = (seconds: number) => async (tries: number) => {
    const object = await made(cluster, services, service(`at-${seconds}-${tries}`));
    return at(object, 'spec.template.spec.timeoutSeconds') === seconds;
  };
  await say(cluster, 'config-defaults', { 'revision-timeout-seconds': '77' });
  await eventually(isDefaultedTo(77));
  await say(cluster, 'config-defaults', { 'revision-timeout-seconds': null });
  await eventually(isDefaultedTo(300));
});

test('serving config: a feature opens its field for whoever writes next, and closes it', async () => {
  const cluster = await servingUnderTest();
  const services = await servicesOf(cluster);
  const key = 'kubernetes.podspec-nodeselector';
  const isAnswered = (expected: number) => async (tries: number) => {
    const chosen = service(`on-${expected}-${tries}`, { nodeSelector: { disk: 'fast' } });
    const { status } = await cluster.send('POST', `${services}?dryRun=All`, chosen);
    return status === expected;
  };
  await eventually(isAnswered(400));
  await say(cluster, 'config-features', { [key]: 'allowed' });
  await eventually(isAnswered(201));
  await say(cluster, 'config-features', { [key]: null });
  await eventually(isAnswered(400));
});

test('serving config: what has no effect here is told whoever writes it', async () => {
  const cluster = await servingUnderTest();
  const on = { data: { 'system-internal-tls': 'Enabled' } };
  const { status, headers } = await cluster.send('PATCH', `${MAPS}/config-network`, on, merge);
  assert.equal(status, 200);
  assert.match(
    headers['warning'] ?? '',
    /system-internal-tls changes nothing: between the gateway/,
  );
  await say(cluster, 'config-network', { 'system-internal-tls': null });
  const before = { data: { 'internal-encryption': 'true' } };
  const old = await cluster.send('PATCH', `${MAPS}/config-network`, before, merge);
  assert.match(old.headers['warning'] ?? '', /internal-encryption changes nothing: between/);
  await say(cluster, 'config-network', { 'internal-encryption': null });
});
