import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Event } from '#api/core-v1/event.ts';
import { Node } from '#api/core-v1/node.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { scheduler } from '#controllers/core/scheduler/scheduler.ts';
import { startCluster, type Cluster } from '#test/support/cluster.ts';
import { fixture } from '#test/support/fixture.ts';

const ref = { namespace: 'default', name: 'web' };

function pod(spec = ''): Pod {
  return fixture(`
    apiVersion: v1
    kind: Pod
    metadata: { name: web, namespace: default }
    spec:
      ${spec}
      containers: [{ name: web, image: example.com/web }]
  `);
}

async function addNode({ client }: Cluster, name: string, ready: 'True' | 'False'): Promise<void> {
  const node = fixture<Node>(`{ apiVersion: v1, kind: Node, metadata: { name: ${name} } }`);
  const made = await client.create(Node, node);
  const conditions = [{ type: 'Ready', status: ready }];
  await client.updateStatus(Node, { ...made, status: { conditions } });
}

async function scheduled({ client }: Cluster) {
  const { spec, status } = (await client.get(Pod, ref)) ?? {};
  const condition = status?.conditions?.find(({ type }) => type === 'PodScheduled');
  return [spec?.nodeName, condition?.status, condition?.reason];
}

test('scheduler: gives a pod the first node that is ready', async () => {
  await using cluster = await startCluster({ controllers: [scheduler()] });
  await addNode(cluster, 'a', 'False');
  await addNode(cluster, 'b', 'True');
  await addNode(cluster, 'c', 'True');
  await cluster.client.create(Pod, pod());
  await cluster.settled();
  assert.deepEqual(await scheduled(cluster), ['b', 'True', undefined]);
  const [event] = (await cluster.client.list(Event)).items;
  assert.equal(event?.message, 'Successfully assigned default/web to b');
  await cluster.steady();
});

test('scheduler: a pod waits, and says so, until a node is ready', async () => {
  await using cluster = await startCluster({ controllers: [scheduler()] });
  await addNode(cluster, 'a', 'False');
  await cluster.client.create(Pod, pod());
  await cluster.settled();
  assert.deepEqual(await scheduled(cluster), [undefined, 'False', 'Unschedulable']);
  await cluster.steady();
  await addNode(cluster, 'b', 'True');
  await cluster.settled();
  assert.deepEqual(await scheduled(cluster), ['b', 'True', undefined]);
  await cluster.steady();
});

test('scheduler: leaves pods of other schedulers and pods that are held', async () => {
  for (const spec of ['schedulerName: other', 'schedulingGates: [{ name: example.com/wait }]']) {
    await using cluster = await startCluster({ controllers: [scheduler()] });
    await addNode(cluster, 'a', 'True');
    await cluster.client.create(Pod, pod(spec));
    await cluster.settled();
    const [node, status] = await scheduled(cluster);
    assert.equal(node, undefined, spec);
    assert.notEqual(status, 'True', spec);
    await cluster.steady();
  }
});

async function addSized(
  { client }: Cluster,
  name: string,
  { spec = '{}', labels = '{}', cpu = 2 }: { spec?: string; labels?: string; cpu?: number } = {},
): Promise<void> {
  const made = await client.create(
    Node,
    fixture<Node>(
      `{ apiVersion: v1, kind: Node, metadata: { name: ${name}, labels: ${labels} }, spec: ${spec} }`,
    ),
  );
  const allocatable = { cpu, memory: '1Gi', pods: 10 };
  const conditions = [{ type: 'Ready', status: 'True' }];
  await client.updateStatus(Node, { ...made, status: { conditions, allocatable } });
}

function asking(name: string, cpu: string): Pod {
  const asked = pod();
  asked.metadata.name = name;
  const [container] = asked.spec?.containers ?? [];
  if (container) container.resources = { requests: { cpu } };
  return asked;
}

async function nodeOf({ client }: Cluster, name: string): Promise<string | undefined> {
  return (await client.get(Pod, { namespace: 'default', name }))?.spec?.nodeName;
}

async function whyNot({ client }: Cluster, name: string): Promise<string | undefined> {
  const { status } = (await client.get(Pod, { namespace: 'default', name })) ?? {};
  return status?.conditions?.find(({ type }) => type === 'PodScheduled')?.message;
}

test('scheduler: pods get what they request, and wait where nothing is left', async () => {
  await using cluster = await startCluster({ controllers: [scheduler()] });
  await addSized(cluster, 'a');
  await addSized(cluster, 'b');
  for (const name of ['one', 'two', 'three']) {
    await cluster.client.create(Pod, asking(name, '1500m'));
    await cluster.settled();
  }
  assert.deepEqual(
    [await nodeOf(cluster, 'one'), await nodeOf(cluster, 'two'), await nodeOf(cluster, 'three')],
    ['a', 'b', undefined],
  );
  assert.equal(await whyNot(cluster, 'three'), '0/2 nodes are available: 2 Insufficient cpu.');
  const failed = (await cluster.client.list(Event)).items.filter(
    ({ reason }) => reason === 'FailedScheduling',
  );
  assert.deepEqual(
    failed.map(({ type, count }) => [type, count]),
    [['Warning', 1]],
  );
  await cluster.steady();
  await cluster.client.delete(
    Pod,
    { namespace: 'default', name: 'one' },
    { gracePeriodSeconds: 0 },
  );
  await cluster.settled();
  assert.equal(await nodeOf(cluster, 'three'), 'a');
  await cluster.steady();
});

test('scheduler: many pods at once never get more than there is', async () => {
  await using cluster = await startCluster({ controllers: [scheduler()] });
  await addSized(cluster, 'a', { cpu: 5 });
  await Promise.all(
    Array.from({ length: 8 }, (_, at) => cluster.client.create(Pod, asking(`p${at}`, '1'))),
  );
  await cluster.settled();
  const { items } = await cluster.client.list(Pod);
  assert.equal(items.filter(({ spec }) => spec?.nodeName === 'a').length, 5);
  await cluster.steady();
});

test('scheduler: selectors, affinity, taints and cordons keep pods off nodes', async () => {
  const check = async (podSpec: string, node: Parameters<typeof addSized>[2], reason: string) => {
    await using cluster = await startCluster({ controllers: [scheduler()] });
    await addSized(cluster, 'a', node);
    await cluster.client.create(Pod, pod(podSpec));
    await cluster.settled();
    const expected = reason === '' ? undefined : `0/1 nodes are available: 1 ${reason}.`;
    assert.equal(await whyNot(cluster, 'web'), expected, podSpec);
    assert.equal(await nodeOf(cluster, 'web'), reason === '' ? 'a' : undefined);
    await cluster.steady();
  };
  const unwanted = "node(s) didn't match Pod's node affinity/selector";
  const taints = '{ taints: [{ key: gpu, value: "yes", effect: NoSchedule }] }';
  const required = (values: string): string =>
    `affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [{ key: disk, operator: In, values: ${values} }] }] } } }`;
  await check('nodeSelector: { disk: ssd }', {}, unwanted);
  await check('nodeSelector: { disk: ssd }', { labels: '{ disk: ssd }' }, '');
  await check(required('[hdd]'), { labels: '{ disk: ssd }' }, unwanted);
  await check(required('[hdd, ssd]'), { labels: '{ disk: ssd }' }, '');
  await check('', { spec: taints }, 'node(s) had untolerated taint(s)');
  await check('tolerations: [{ key: gpu, value: "yes" }]', { spec: taints }, '');
  await check('tolerations: [{ operator: Exists }]', { spec: taints }, '');
  await check('', { spec: '{ unschedulable: true }' }, 'node(s) were unschedulable');
});

test('scheduler: of several nodes a pod gets the one it prefers', async () => {
  await using cluster = await startCluster({ controllers: [scheduler()] });
  const discouraged = '{ taints: [{ key: old, effect: PreferNoSchedule }] }';
  await addSized(cluster, 'a', { spec: discouraged });
  await addSized(cluster, 'b', {});
  await addSized(cluster, 'c', { labels: '{ disk: ssd }', spec: discouraged });
  const preference = '{ matchExpressions: [{ key: disk, operator: In, values: [ssd] }] }';
  const term = `preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 9, preference: ${preference} }]`;
  await cluster.client.create(Pod, pod(`affinity: { nodeAffinity: { ${term} } }`));
  const plain = pod();
  await cluster.client.create(Pod, { ...plain, metadata: { ...plain.metadata, name: 'plain' } });
  await cluster.settled();
  assert.deepEqual([await nodeOf(cluster, 'web'), await nodeOf(cluster, 'plain')], ['c', 'b']);
});

test('scheduler: pods that require company get it, and those that bear none are kept apart', async () => {
  await using cluster = await startCluster({ controllers: [scheduler()] });
  const { client } = cluster;
  for (const name of ['a', 'b']) await addSized(cluster, name, { labels: `{ host: ${name} }` });
  const place = async (
    name: string,
    app: string,
    affinity: string,
  ): Promise<string | undefined> => {
    const made = pod(affinity === '' ? '' : `affinity: { ${affinity} }`);
    const metadata = { ...made.metadata, name, labels: { app } };
    await client.create(Pod, { ...made, metadata });
    await cluster.settled();
    return (await nodeOf(cluster, name)) ?? (await whyNot(cluster, name));
  };
  const require = (kind: string, app: string): string =>
    `${kind}: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: host, labelSelector: { matchLabels: { app: ${app} } } }] }`;
  const none = (why: string): string => `0/2 nodes are available: 2 node(s) didn't ${why}.`;
  const alone = require('podAntiAffinity', 'db');
  assert.equal(await place('db-1', 'db', alone), 'a');
  assert.equal(await place('db-2', 'db', alone), 'b');
  assert.equal(await place('db-3', 'db', alone), none('match pod anti-affinity rules'));
  assert.equal(await place('db-4', 'db', ''), none('satisfy existing pods anti-affinity rules'));
  assert.equal(await place('web-1', 'web', require('podAffinity', 'web')), 'a');
  assert.equal(await place('web-2', 'web', require('podAffinity', 'web')), 'a');
  const lonely = require('podAffinity', 'nobody');
  assert.equal(await place('web-3', 'web', lonely), none('match pod affinity rules'));
  await cluster.steady();
});
