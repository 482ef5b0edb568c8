import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { sleep, systemClock } from '#base/clock.ts';
import { ReplicaSet } from '#api/apps-v1/replica-set.ts';
import { ConfigMap } from '#api/core-v1/config-map.ts';
import { Namespace } from '#api/core-v1/namespace.ts';
import { LimitRange } from '#api/core-v1/limit-range.ts';
import { ResourceQuota } from '#api/core-v1/resource-quota.ts';
import { Secret } from '#api/core-v1/secret.ts';
import { ServiceAccount } from '#api/core-v1/service-account.ts';
import { Service } from '#api/core-v1/service.ts';
import { PriorityClass } from '#api/scheduling-v1/priority-class.ts';
import { Pod } from '#api/core-v1/pod.ts';
import type { PodSpec } from '#api/generated/core-v1.ts';
import { controllerReference } from '#api/meta/object-meta.ts';
import { readPodRecords } from '#agent/pods/pod-record.ts';
import { isReady, NODE_IMAGE, startAgentBed, type AgentBed } from '#test/support/agent-bed.ts';

const SERVER = `require('node:http').createServer((q, s) => s.end(process.env.POD + ' ' + process.env.COLOR)).listen(8080)`;

/** A ReplicaSet at zero, as a Deployment's controller would make it. */
async function createReplicaSet(
  bed: AgentBed,
  {
    app = 'web',
    spec = {},
    annotations = {},
  }: {
    readonly app?: string;
    readonly spec?: Partial<PodSpec>;
    readonly annotations?: Readonly<Record<string, string>>;
  } = {},
): Promise<ReplicaSet> {
  const labels = { app };
  return bed.cluster.client.create(ReplicaSet, {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name: `${app}-1`,
      namespace: 'default',
      annotations: { 'knode.dev/prepared-sandboxes': '1' },
      ownerReferences: [
        { apiVersion: 'apps/v1', kind: 'Deployment', name: app, uid: 'd', controller: true },
      ],
    },
    spec: {
      replicas: 0,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels, annotations },
        spec: {
          containers: [
            {
              name: 'main',
              image: NODE_IMAGE,
              args: ['-e', SERVER],
              env: [
                { name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
                { name: 'COLOR', valueFrom: { configMapKeyRef: { name: 'colors', key: 'now' } } },
              ],
              ports: [{ name: 'http', containerPort: 8080 }],
              readinessProbe: { tcpSocket: { port: 'http' } },
            },
          ],
          ...spec,
        },
      },
    },
  });
}

function setColor(bed: AgentBed, now: string): Promise<unknown> {
  const metadata = { name: 'colors', namespace: 'default' };
  return bed.cluster.client.apply(ConfigMap, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata,
    data: { now },
  });
}

const target = { namespace: 'default', deployment: 'web', count: 1 };

/** Asks for a start until there is a prepared sandbox to start. */
async function startOnce(bed: AgentBed, onStopped: (pod: string) => void = () => undefined) {
  for (const deadlineMs = performance.now() + 20_000; performance.now() < deadlineMs;) {
    const [starting] = bed.agent.start(target, onStopped);
    if (starting) return starting;
    await sleep(systemClock, 10);
  }
  throw new Error('no sandbox was prepared');
}

/** The name of the pod that is prepared, once there is one that `isWanted`. */
async function preparedName(bed: AgentBed, isWanted: (name: string) => boolean): Promise<string> {
  for (const deadlineMs = performance.now() + 20_000; performance.now() < deadlineMs;) {
    const found = await readPodRecords(path.join(bed.home, 'agent/pods'));
    const record = found.find((each) => each.record?.prepared)?.record;
    if (record && isWanted(record.name) && bed.agent.prepared().ready === 1) return record.name;
    await sleep(systemClock, 10);
  }
  throw new Error('no sandbox was prepared');
}

async function answer(address: string): Promise<string> {
  for (const deadlineMs = performance.now() + 10_000; performance.now() < deadlineMs;) {
    const text = await fetch(`http://${address}:8080/`).then(
      (reply) => reply.text(),
      () => undefined,
    );
    if (text !== undefined) return text;
    await sleep(systemClock, 2);
  }
  throw new Error(`${address} did not answer`);
}

test('prepared: starts before its object exists, and the object finds it', async () => {
  await using bed = await startAgentBed();
  await setColor(bed, 'green');
  const replicaSet = await createReplicaSet(bed);
  const starting = await startOnce(bed);
  assert.equal(await answer(starting.address), `${starting.name} green`);
  assert.deepEqual(
    bed.agent.start(target, () => undefined),
    [starting],
    'asking again starts no more',
  );
  const { client } = bed.cluster;
  await client.patch(
    ReplicaSet,
    { namespace: 'default', name: 'web-1' },
    { spec: { replicas: 1 } },
    { type: 'merge' },
  );
  const pod = await client.create(Pod, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: 'web-1-',
      namespace: 'default',
      labels: { app: 'web' },
      ownerReferences: [controllerReference(replicaSet)],
    },
    spec: { containers: [], ...replicaSet.spec?.template?.spec, nodeName: 'bed' },
  });
  assert.equal(pod.metadata.name, starting.name);
  const ready = await bed.podOnce(starting.name, isReady);
  assert.equal(ready.status?.podIP, starting.address);
  assert.equal(ready.status?.containerStatuses?.[0]?.restartCount, 0);
  assert.equal(await answer(starting.address), `${starting.name} green`);
  assert.deepEqual(
    bed.agent.start(target, () => undefined),
    [],
    'none is prepared above zero',
  );
});

test('prepared: its name and uid are for pods of its namespace that are really made', async () => {
  await using bed = await startAgentBed();
  const { client } = bed.cluster;
  await setColor(bed, 'green');
  const replicaSet = await createReplicaSet(bed);
  const starting = await startOnce(bed);
  const create = (namespace: string, labels = {}): Promise<Pod> =>
    client.create(Pod, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        generateName: 'web-1-',
        namespace,
        labels,
        ownerReferences: [controllerReference(replicaSet)],
      },
      spec: { containers: [], ...replicaSet.spec?.template?.spec, nodeName: 'bed' },
    });
  await client.create(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'b' } });
  const forged = await create('b');
  assert.notEqual(forged.metadata.name, starting.name);
  await assert.rejects(create('default', { wrong: '-' }), { reason: 'Invalid' });
  const pod = await create('default');
  assert.equal(pod.metadata.name, starting.name);
  const ready = await bed.podOnce(starting.name, isReady);
  assert.equal(ready.metadata.uid, pod.metadata.uid);
  assert.equal(ready.status?.podIP, starting.address);
});

test('prepared: made anew when what it read changes', async () => {
  await using bed = await startAgentBed();
  await setColor(bed, 'green');
  await createReplicaSet(bed);
  const stale = await preparedName(bed, () => true);
  await setColor(bed, 'blue');
  const fresh = await preparedName(bed, (name) => name !== stale);
  const starting = await startOnce(bed);
  assert.equal(starting.name, fresh);
  assert.equal(await answer(starting.address), `${fresh} blue`);
});

test('prepared: made anew when a Secret of its environment or its ServiceAccount changes', async () => {
  await using bed = await startAgentBed();
  const { client } = bed.cluster;
  const metadata = { name: 'words', namespace: 'default' };
  const secret = (word: string): Secret => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata,
    data: { word: Buffer.from(word).toString('base64') },
  });
  await client.create(Secret, secret('one'));
  const env = [
    { name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
    { name: 'COLOR', valueFrom: { secretKeyRef: { name: 'words', key: 'word' } } },
  ];
  const container = { name: 'main', image: NODE_IMAGE, args: ['-e', SERVER], env };
  await createReplicaSet(bed, { spec: { containers: [container], serviceAccountName: 'sayer' } });
  const first = await preparedName(bed, () => true);
  await client.create(ServiceAccount, {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'other', namespace: 'default' },
  });
  await client.apply(Secret, secret('two'));
  const second = await preparedName(bed, (name) => name !== first);
  await client.create(ServiceAccount, {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'sayer', namespace: 'default' },
  });
  const third = await preparedName(bed, (name) => name !== second);
  const starting = await startOnce(bed);
  assert.equal(starting.name, third);
  assert.equal(await answer(starting.address), `${third} two`);
});

test('prepared: the others are made at most two per core at once', async () => {
  await using bed = await startAgentBed();
  const names = Array.from({ length: 12 }, (_, index) => `pod-${index}`);
  const args = ['-e', 'setTimeout(() => {}, 1e9)'];
  const containers = [{ name: 'main', image: NODE_IMAGE, args }];
  let isOver = false;
  const running = (async () => {
    await Promise.all(names.map((name) => bed.createPod(name, { containers })));
    await Promise.all(names.map((name) => bed.podOnce(name, isReady)));
    isOver = true;
  })();
  let most = 0;
  // runc says what it does only by being there.
  while (!isOver) {
    most = Math.max(most, createsOf(bed.instance));
    await Promise.race([running, sleep(systemClock, 5)]);
  }
  await running;
  assert.ok(most > 0 && most <= 2 * availableParallelism(), `${most} were made at once`);
});

/** How many containers of the bed are being created by runc now. */
function createsOf(instance: string): number {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const calls = pids.map((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    } catch {
      return []; // It ended meanwhile.
    }
  });
  const creates = calls.filter(
    ([program = '', ...words]) =>
      program.endsWith('runc') &&
      words.includes('create') &&
      words.some((word) => word.includes(`/knode-${instance}/`)),
  );
  // A process that it begins is a copy of it at first; the id is the same.
  return new Set(creates.map((words) => words.findLast((word) => word !== ''))).size;
}

test('prepared: what has started runs on for the next process, and goes with its ReplicaSet', async () => {
  await using bed = await startAgentBed();
  await setColor(bed, 'green');
  await createReplicaSet(bed);
  const idle = await preparedName(bed, () => true);
  await bed.restart();
  const first = await startOnce(bed);
  assert.notEqual(first.name, idle, 'what was only prepared is prepared anew');
  await answer(first.address);
  await bed.restart();
  assert.equal(await answer(first.address), `${first.name} green`);
  const { promise, resolve } = Promise.withResolvers<string>();
  assert.deepEqual(bed.agent.start(target, resolve), [first], 'and is known to be starting');
  await bed.cluster.client.delete(ReplicaSet, { namespace: 'default', name: 'web-1' });
  assert.equal(await promise, first.name);
});

/** Of which ReplicaSets sandboxes are prepared, once that is so many. */
async function preparedApps(bed: AgentBed, count: number): Promise<readonly string[]> {
  for (const deadlineMs = performance.now() + 20_000; performance.now() < deadlineMs;) {
    const found = await readPodRecords(path.join(bed.home, 'agent/pods'));
    const apps = found.flatMap(({ record }) => (record?.prepared ? [record.name.slice(0, 1)] : []));
    if (apps.length === count) return apps.toSorted();
    await sleep(systemClock, 10);
  }
  throw new Error(`there were not ${count} prepared sandboxes`);
}

test('prepared: where places are few, those called last have them', async () => {
  await using bed = await startAgentBed({ preparedMax: 2 });
  await setColor(bed, 'green');
  const scale = (app: string, replicas: number): Promise<unknown> =>
    bed.cluster.client.patch(
      ReplicaSet,
      { namespace: 'default', name: `${app}-1` },
      { spec: { replicas } },
      { type: 'merge' },
    );
  for (const app of ['a', 'b', 'c']) await createReplicaSet(bed, { app });
  assert.equal((await preparedApps(bed, 2)).length, 2);
  for (const app of ['c', 'a', 'b']) {
    await scale(app, 1);
    await scale(app, 0);
  }
  const isSettled = async (): Promise<boolean> =>
    (await preparedApps(bed, 2)).join() === 'a,b' &&
    bed.agent.prepared().ready === 2 &&
    bed.agent.prepared().making === 0;
  for (const deadlineMs = performance.now() + 20_000; !(await isSettled());) {
    assert.ok(performance.now() < deadlineMs, 'those called last have none');
    await sleep(systemClock, 10);
  }
});

test('prepared: made anew when admission would refuse its pod, or make it otherwise', async () => {
  await using bed = await startAgentBed();
  const { client } = bed.cluster;
  const namespace = 'default';
  await setColor(bed, 'green');
  await client.create(PriorityClass, {
    apiVersion: 'scheduling.k8s.io/v1',
    kind: 'PriorityClass',
    metadata: { name: 'high' },
    value: 1000,
  });
  await createReplicaSet(bed, { spec: { priorityClassName: 'high' } });
  const first = await preparedName(bed, () => true);
  await client.create(LimitRange, {
    apiVersion: 'v1',
    kind: 'LimitRange',
    metadata: { name: 'limits', namespace },
    spec: { limits: [{ type: 'Container', default: { memory: '96Mi' } }] },
  });
  const second = await preparedName(bed, (name) => name !== first);
  await client.create(Service, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'other', namespace },
    spec: { ports: [{ port: 80 }] },
  });
  const third = await preparedName(bed, (name) => name !== second);
  await client.create(ResourceQuota, {
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { name: 'enough', namespace },
    spec: { hard: { pods: '1' } },
  });
  await setColor(bed, 'blue');
  const fourth = await preparedName(bed, (name) => name !== third);
  assert.equal(new Set(await bed.agent.imagesInUse()).size, 1, 'its image is not collected');
  await client.patch(
    ResourceQuota,
    { namespace, name: 'enough' },
    { spec: { hard: { pods: '0' } } },
    { type: 'merge' },
  );
  await preparedApps(bed, 0);
  await client.delete(ResourceQuota, { namespace, name: 'enough' });
  const fifth = await preparedName(bed, (name) => name !== fourth);
  await client.delete(PriorityClass, { name: 'high' });
  await preparedApps(bed, 0);
  assert.notEqual(fifth, fourth);
});

test('prepared: a program that is kept frozen goes on at the call, and after a restart', async () => {
  await using bed = await startAgentBed();
  await setColor(bed, 'green');
  await createReplicaSet(bed, { annotations: { 'knode.dev/freeze': 'true' } });
  const name = await preparedName(bed, () => true);
  const found = await readPodRecords(path.join(bed.home, 'agent/pods'));
  const address = found.find(({ record }) => record?.name === name)?.record?.address ?? '';
  // The kernel still accepts the connection; the program says nothing.
  const silent = fetch(`http://${address}:8080/`, { signal: AbortSignal.timeout(300) });
  await assert.rejects(silent, { name: 'TimeoutError' });
  const starting = await startOnce(bed);
  assert.deepEqual(starting, { name, address });
  assert.equal(await answer(address), `${name} green`);
  await bed.restart();
  assert.equal(await answer(address), `${name} green`);
  await bed.cluster.client.delete(ReplicaSet, { namespace: 'default', name: 'web-1' });
  await preparedApps(bed, 0);
});

test('prepared: a program that ends before it is ready is not kept frozen', async () => {
  await using bed = await startAgentBed();
  const annotations = { 'knode.dev/freeze': 'true' };
  const readinessProbe = { tcpSocket: { port: 8080 } };
  const container = { name: 'main', image: NODE_IMAGE, args: ['-e', '0'], readinessProbe };
  await createReplicaSet(bed, { annotations, spec: { containers: [container] } });
  await preparedApps(bed, 1);
  await preparedApps(bed, 0);
});

test('prepared: a frozen program goes with its ReplicaSet', async () => {
  await using bed = await startAgentBed();
  await setColor(bed, 'green');
  await createReplicaSet(bed, { annotations: { 'knode.dev/freeze': 'true' } });
  await preparedName(bed, () => true);
  await bed.cluster.client.delete(ReplicaSet, { namespace: 'default', name: 'web-1' });
  await preparedApps(bed, 0);
});

test('prepared: where containers share their processes, who holds them stays and goes with the others', async () => {
  await using bed = await startAgentBed();
  const script = `require('node:http').createServer((q, s) => s.end(fs.readFileSync('/proc/1/cmdline'))).listen(8080)`;
  const container = { name: 'main', image: NODE_IMAGE, args: ['-e', script] };
  const spec = { shareProcessNamespace: true, containers: [container] };
  await createReplicaSet(bed, { spec });
  await preparedName(bed, () => true);
  // What was only prepared goes with its process, and is prepared anew.
  await bed.restart();
  const started = await startOnce(bed);
  assert.equal(await answer(started.address), '/pause\0');
  await bed.restart();
  assert.equal(await answer(started.address), '/pause\0');
  const { promise, resolve } = Promise.withResolvers<string>();
  assert.deepEqual(bed.agent.start(target, resolve), [started]);
  await bed.cluster.client.delete(ReplicaSet, { namespace: 'default', name: 'web-1' });
  assert.equal(await promise, started.name);
  await bed.agent.stopAllPods(0);
  assert.deepEqual(await readPodRecords(path.join(bed.home, 'agent/pods')), []);
});
