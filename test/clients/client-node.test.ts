import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ApiException,
  AppsV1Api,
  CoreV1Api,
  CustomObjectsApi,
  KubeConfig,
  KubernetesObjectApi,
  makeInformer,
  PatchStrategy,
  setHeaderOptions,
  Watch,
  type V1ConfigMap,
} from '@kubernetes/client-node';
import { sleep, systemClock } from '#base/clock.ts';
import { sitDown } from './desk.ts';
import { assertTold, NAMESPACE, trouble } from './history.ts';

function configOf(kubeconfig: string): KubeConfig {
  const config = new KubeConfig();
  config.loadFromString(kubeconfig);
  return config;
}

const namespace = NAMESPACE;
const path = `/api/v1/namespaces/${namespace}/configmaps`;

async function assertCode(call: Promise<unknown>, code: number): Promise<void> {
  await assert.rejects(call, (error) => error instanceof ApiException && error.code === code);
}

test('client-node: one object through its life, as its watch tells it', async () => {
  await using desk = await sitDown();
  const config = configOf(desk.cluster.kubeconfig);
  const core = config.makeApiClient(CoreV1Api);
  const seen: string[] = [];
  const { promise: gone, resolve } = Promise.withResolvers<void>();
  const fieldSelector = 'metadata.name=life';
  const watching = await new Watch(config).watch(
    path,
    { fieldSelector },
    (type, { data }: V1ConfigMap) => {
      seen.push(`${type} ${data?.['n']}`);
      if (type === 'DELETED') resolve();
    },
    () => undefined,
  );
  const body = { metadata: { name: 'life' }, data: { n: '0' } };
  const made = await core.createNamespacedConfigMap({ namespace, body });
  await assertCode(core.createNamespacedConfigMap({ namespace, body }), 409);
  const patches = {
    [PatchStrategy.JsonPatch]: [{ op: 'replace', path: '/data/n', value: '1' }],
    [PatchStrategy.MergePatch]: { data: { n: '2' } },
    [PatchStrategy.StrategicMergePatch]: { data: { n: '3' } },
  };
  for (const [type, patch] of Object.entries(patches)) {
    const options = setHeaderOptions('Content-Type', type);
    await core.patchNamespacedConfigMap({ namespace, name: 'life', body: patch }, options);
  }
  const stale = { metadata: made.metadata ?? {}, data: { n: 'stale' } };
  await assertCode(core.replaceNamespacedConfigMap({ namespace, name: 'life', body: stale }), 409);
  const other = { preconditions: { uid: 'of another' } };
  const removed = { namespace, name: 'life' };
  await assertCode(core.deleteNamespacedConfigMap({ ...removed, body: other }), 409);
  await core.deleteNamespacedConfigMap({ ...removed, propagationPolicy: 'Foreground' });
  await gone;
  watching.abort();
  // The third: it is marked, and goes when its dependents have.
  assert.deepEqual(seen, [
    'ADDED 0',
    'MODIFIED 1',
    'MODIFIED 2',
    'MODIFIED 3',
    'MODIFIED 3',
    'DELETED 3',
  ]);
  await assertCode(core.readNamespacedConfigMap(removed), 404);
});

test('client-node: server-side apply, its conflicts, and kinds it does not know', async () => {
  await using desk = await sitDown();
  const config = configOf(desk.cluster.kubeconfig);
  const apps = config.makeApiClient(AppsV1Api);
  const labels = { app: 'web' };
  const spec = {
    replicas: 0,
    selector: { matchLabels: labels },
    template: {
      metadata: { labels },
      spec: { containers: [{ name: 'web', image: 'web:1' }] },
    },
  };
  const apply = (wanted: object, more: object): Promise<unknown> =>
    apps.patchNamespacedDeployment(
      {
        namespace,
        name: 'web',
        body: { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' }, ...wanted },
        ...more,
      },
      setHeaderOptions('Content-Type', PatchStrategy.ServerSideApply),
    );
  await apply({ spec }, { fieldManager: 'one' });
  await assertCode(apply({ spec: { replicas: 5 } }, { fieldManager: 'two' }), 409);
  await apply({ spec: { replicas: 5 } }, { fieldManager: 'two', force: true });
  const deployment = await apps.readNamespacedDeployment({ namespace, name: 'web' });
  assert.equal(deployment.spec?.replicas, 5);
  const managers = deployment.metadata?.managedFields?.map(({ manager }) => manager) ?? [];
  assert.ok(managers.includes('one') && managers.includes('two'));

  const service = {
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    metadata: { name: 'hello', namespace },
    spec: { template: { spec: { containers: [{ image: 'example.com/hello' }] } } },
  };
  const objects = KubernetesObjectApi.makeApiClient(config);
  await objects.create(service);
  const changed = { ...service, metadata: { ...service.metadata, labels: { a: 'b' } } };
  await objects.patch(
    changed,
    undefined,
    undefined,
    undefined,
    undefined,
    PatchStrategy.MergePatch,
  );
  const custom = config.makeApiClient(CustomObjectsApi);
  const found: unknown = await custom.listNamespacedCustomObject({
    group: 'serving.knative.dev',
    version: 'v1',
    plural: 'services',
    namespace,
    labelSelector: 'a=b',
  });
  assert.equal((found as { items: unknown[] }).items.length, 1);
  await objects.delete(service);
});

/** How long it waits before it starts an informer again whose connection broke, as its readme does. */
const RESTART_MS = 200;

test('client-node: an informer loses nothing to broken connections and forgotten history', async () => {
  await using desk = await sitDown();
  await using troubled = await trouble(desk.cluster);
  const config = configOf(troubled.kubeconfig);
  const core = config.makeApiClient(CoreV1Api);
  let lists = 0;
  const informer = makeInformer(config, path, () => {
    lists += 1;
    return core.listNamespacedConfigMap({ namespace });
  });
  const counts: string[] = [];
  const marks = new Map<string, PromiseWithResolvers<void>>();
  const markOf = (name: string): PromiseWithResolvers<void> => {
    const mark = marks.get(name) ?? Promise.withResolvers<void>();
    marks.set(name, mark);
    return mark;
  };
  informer.on('change', ({ metadata }) => {
    if (metadata?.name === 'counter') counts.push(metadata.annotations?.['n'] ?? '');
    markOf(metadata?.name ?? '').resolve();
  });
  const stop = new AbortController();
  informer.on('error', () => {
    void sleep(systemClock, RESTART_MS, stop.signal).then(
      async () => await informer.start(),
      () => undefined,
    );
  });
  await informer.start();
  const lived = await troubled.live(async (mark) => await markOf(mark).promise);
  stop.abort();
  await informer.stop();
  const state = informer
    .list(namespace)
    .map(({ metadata }) => [metadata?.name ?? '', metadata?.resourceVersion ?? '']);
  assert.deepEqual(Object.fromEntries(state), lived.state);
  assertTold(counts, lived);
  assert.ok(lists >= 2, `it read everything ${lists} times: history was never too short`);
});
