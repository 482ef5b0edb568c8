import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { sleep, systemClock } from '#base/clock.ts';
import { ReplicaSet } from '#api/apps-v1/replica-set.ts';
import { ConfigMap } from '#api/core-v1/config-map.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { controllerReference } from '#api/meta/object-meta.ts';
import { readPodRecords } from '#agent/pods/pod-record.ts';
import { isReady, NODE_IMAGE, startAgentBed, type AgentBed } from '#test/support/agent-bed.ts';

const SERVER = `require('node:http').createServer((q, s) => s.end(process.env.POD + ' ' + process.env.COLOR)).listen(8080)`;

/** A ReplicaSet at zero, as a Deployment's controller would make it. */
async function createReplicaSet(bed: AgentBed, count = 1): Promise<ReplicaSet> {
  const labels = { app: 'web' };
  return bed.cluster.client.create(ReplicaSet, {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name: 'web-1',
      namespace: 'default',
      annotations: { 'knode.dev/prepared-sandboxes': String(count) },
      ownerReferences: [
        { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web', uid: 'd', controller: true },
      ],
    },
    spec: {
      replicas: 0,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
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
    if (record && isWanted(record.name)) return record.name;
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
