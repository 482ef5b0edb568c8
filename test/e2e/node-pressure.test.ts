import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { sleep, systemClock } from '#base/clock.ts';
import { machineResources } from '#base/machine-resources.ts';
import { Event } from '#api/core-v1/event.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import type { EnvVar } from '#api/generated/core-v1.ts';
import { diskUsage } from '#agent/volumes/disk-usage.ts';
import { isReady, NODE_IMAGE, startAgentBed } from '#test/support/agent-bed.ts';
import { kubectlClients } from '#test/support/kubectl-client.ts';
import { startPlatform } from '#test/support/platform.ts';
import { sampleImage } from '#test/support/sample-image.ts';
import { SmallDisk } from '#test/support/small-disk.ts';

const MIB = 1024 * 1024;
const IDLE = 'setInterval(() => {}, 1e6)';

test('pressure: short of memory, the machine ends the pod that is farthest beyond what it asked for', async () => {
  const { memory } = await machineResources('/');
  // Others use and free memory meanwhile; what the pod takes is far more than that.
  await using bed = await startAgentBed({
    thresholds: { memoryBytes: memory.available - 1200 * MIB },
  });
  const asks = { resources: { requests: { memory: '200Mi' } } };
  const node = (script: string) => ({ name: 'main', image: NODE_IMAGE, args: ['-e', script] });
  await bed.createPod('modest', { containers: [{ ...node(IDLE), ...asks }] });
  await bed.podOnce('modest', isReady);
  const greedy = `const all = []; for (let i = 0; i < 24; i += 1) all.push(Buffer.alloc(${100 * MIB}, 1)); ${IDLE}`;
  await bed.createPod('greedy', { containers: [{ ...node(greedy), ...asks }] });
  const { status } = await bed.podOnce('greedy', (pod) => pod.status?.phase === 'Failed');
  assert.equal(status?.reason, 'Evicted');
  assert.match(
    status?.message ?? '',
    /^The node was low on resource: memory\. Threshold quantity: \d+\w+, available: \d+\w+\. Container main was using \d+\w+, request is 200Mi, has larger consumption of memory\. $/,
  );
  const modest = await bed.podOnce('modest', () => true);
  assert.equal(modest.status?.phase, 'Running');
  const { items } = await bed.cluster.client.list(Event, { namespace: 'default' });
  const evicted = items.filter(({ reason }) => reason === 'Evicted');
  assert.deepEqual(
    evicted.map(({ type, involvedObject }) => [type, involvedObject.name]),
    [['Warning', 'greedy']],
  );
});

test('pressure: short of processes, the machine ends the pod that has the most of them', async () => {
  const { processes } = await machineResources('/');
  // Others begin and end some meanwhile; what the pod takes is far more than that.
  await using bed = await startAgentBed({ thresholds: { processes: processes.available - 500 } });
  const node = (script: string, env: EnvVar[] = []) => ({
    name: 'main',
    image: NODE_IMAGE,
    args: ['-e', script],
    env,
  });
  await bed.createPod('modest', { containers: [node(IDLE)] });
  await bed.podOnce('modest', isReady);
  // As many threads as files are asked for at once.
  const many = `for (let i = 0; i < 1000; i += 1) fs.readFile('/dev/null', () => {}); ${IDLE}`;
  const threads = [{ name: 'UV_THREADPOOL_SIZE', value: '1000' }];
  await bed.createPod('greedy', { containers: [node(many, threads)] });
  const { status } = await bed.podOnce('greedy', (pod) => pod.status?.phase === 'Failed');
  assert.equal(status?.reason, 'Evicted');
  assert.match(
    status?.message ?? '',
    /^The node was low on resource: pids\. Threshold quantity: \d+, available: \d+\. $/,
  );
  assert.equal((await bed.podOnce('modest', () => true)).status?.phase, 'Running');
  const { items } = await bed.cluster.client.list(Event, { namespace: 'default' });
  const told = items.filter(({ involvedObject: { kind } }) => kind === 'Node');
  assert.deepEqual(told.map(({ reason, message }) => `${reason}: ${message}`).toSorted(), [
    'EvictionThresholdMet: Attempting to reclaim pids',
    'NodeHasInsufficientPID: Node bed status is now: NodeHasInsufficientPID',
  ]);
});

test('pressure: short of disk, the machine ends who fills it, and says so until there is room', async () => {
  await using disk = await SmallDisk.mount(900 * MIB);
  await using it = await startPlatform(disk.folder);
  const image = await sampleImage(it);
  const pod = (name: string, script: string): object => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      terminationGracePeriodSeconds: 1,
      volumes: [{ name: 'data', emptyDir: {} }],
      containers: [
        {
          name: 'main',
          image,
          command: ['/usr/local/bin/node', '-e', script],
          volumeMounts: [{ name: 'data', mountPath: '/data' }],
        },
      ],
    },
  });
  // Until there is no room at all, not for a word of the platform's either.
  const fill = `try { for (;;) fs.appendFileSync('/data/big', Buffer.alloc(${MIB})) } catch (error) { console.log(error.code) } ${IDLE}`;
  const write = `fs.writeFileSync('/data/little', 'x'); ${IDLE}`;
  const apply = async (object: object): Promise<string> =>
    await it.ok(['apply', '-f', '-'], JSON.stringify(object));
  await apply(pod('little', write));
  await it.ok(['wait', 'pod/little', '--for=condition=Ready', '--timeout=60s']);
  await apply(pod('full', fill));
  await it.ok(['wait', 'pod/full', '--for=jsonpath={.status.reason}=Evicted', '--timeout=60s']);
  const read = async (...args: readonly string[]): Promise<unknown> =>
    JSON.parse(await it.ok(['get', ...args, '-o', 'json']));
  const { status } = (await read('pod', 'full')) as Pod;
  assert.equal(status?.phase, 'Failed');
  assert.match(status?.message ?? '', /^The node was low on resource: ephemeral-storage\. Thresh/);
  await it.ok(['wait', 'node', '--all', '--for=condition=DiskPressure', '--timeout=30s']);
  for (const client of kubectlClients(() => it)) {
    const node = await client.ok(['describe', 'node']);
    assert.match(node, /DiskPressure +True .*KubeletHasDiskPressure/);
    const pod = await client.ok(['describe', 'pod', 'full']);
    assert.match(
      pod,
      /^Reason: +Evicted\nMessage: +The node was low on resource: ephemeral-storage/m,
    );
  }
  const taints = await it.ok(['get', 'node', '-o', 'jsonpath={.items[0].spec.taints[*].key}']);
  assert.equal(taints, 'node.kubernetes.io/disk-pressure');
  assert.equal(((await read('pod', 'little')) as Pod).status?.phase, 'Running');
  // Nothing comes in its place meanwhile.
  await apply(pod('late', IDLE));
  const unscheduled = '--for=jsonpath={.status.conditions[?(@.type=="PodScheduled")].status}=False';
  await it.ok(['wait', 'pod/late', unscheduled, '--timeout=30s']);
});

test('disk: what ended pods wrote is given back, their objects and logs stay', async () => {
  await using bed = await startAgentBed();
  const script = `for (const at of ['/data/big', '/tmp/big']) fs.writeFileSync(at, Buffer.alloc(${64 * MIB}, 1)); console.log('written')`;
  const main = {
    name: 'main',
    image: NODE_IMAGE,
    args: ['-e', script],
    volumeMounts: [{ name: 'data', mountPath: '/data' }],
  };
  const volumes = [{ name: 'data', emptyDir: {} }];
  const restartPolicy = 'Never';
  await bed.createPod('done', { restartPolicy, containers: [main], volumes });
  await bed.podOnce('done', ({ status }) => status?.phase === 'Succeeded');
  const folder = path.join(bed.home, 'agent/pods');
  const deadline = AbortSignal.timeout(10_000);
  while ((await diskUsage([folder], Infinity)) > MIB) {
    await sleep(systemClock, 50, deadline);
  }
  const { status } = await bed.podOnce('done', () => true);
  assert.equal(status?.containerStatuses?.[0]?.state?.terminated?.exitCode, 0);
  const log = globSync(path.join(folder, '*/containers/main/0/log'))[0] ?? '';
  assert.match(readFileSync(log, 'utf8'), / stdout F written$/m);
});
