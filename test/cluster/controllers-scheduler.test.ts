import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterUnderTest, uniqueName } from '#test/support/cluster-under-test.ts';
import { conditionsOf, made, merged, until, untilItems } from '#test/support/observe.ts';
import { at } from '#test/support/wire.ts';

const NODES = '/api/v1/nodes';

/** Keeps the pods of everybody else away from the nodes of a test. */
const OURS = { key: 'test', value: 'scheduler', effect: 'NoSchedule' };

interface NodeOptions {
  readonly labels?: Readonly<Record<string, string>>;
  readonly taints?: readonly object[];
  readonly allocatable?: Readonly<Record<string, string>>;
  readonly unschedulable?: boolean;
}

interface Yard extends AsyncDisposable {
  readonly pods: string;
  /** A node that is ready, until the test ends; returns its name. */
  readonly node: (options?: NodeOptions) => Promise<string>;
  /** A pod that may run on the nodes of the test; returns its path. */
  readonly pod: (name: string, spec?: object, metadata?: object) => Promise<string>;
  /** The first sentence of why nobody takes the pod. */
  readonly refusal: (pod: string) => Promise<string>;
  /** The node that a pod got. */
  readonly place: (pod: string) => Promise<string>;
}

async function openYard(): Promise<Yard> {
  const cluster = await clusterUnderTest();
  const namespace = await cluster.namespace();
  const pods = `/api/v1/namespaces/${namespace}/pods`;
  const nodes: string[] = [];
  return {
    pods,
    async node({ labels = {}, taints = [], allocatable = {}, unschedulable = false } = {}) {
      const name = uniqueName('node');
      nodes.push(name);
      await made(cluster, NODES, {
        metadata: { name, labels },
        spec: { taints: [OURS, ...taints], ...(unschedulable && { unschedulable }) },
      });
      const room = { cpu: '2', memory: '2Gi', pods: '10', ...allocatable };
      const conditions = [{ type: 'Ready', status: 'True', reason: 'KubeletReady' }];
      await merged(cluster, `${NODES}/${name}/status`, {
        status: { allocatable: room, capacity: room, conditions },
      });
      await until(cluster, `${NODES}/${name}`, (node) => !taintsOf(node).includes('not-ready'));
      return name;
    },
    async pod(name, spec = {}, metadata = {}) {
      const tolerations = [{ key: OURS.key, operator: 'Exists' }];
      const containers = [{ name: 'main', image: 'sample:v1' }];
      await made(cluster, pods, {
        metadata: { name, ...metadata },
        spec: { containers, tolerations, terminationGracePeriodSeconds: 0, ...spec },
      });
      return `${pods}/${name}`;
    },
    async refusal(pod) {
      const found = conditionsOf(
        await until(cluster, pod, (it) => 'PodScheduled' in conditionsOf(it)),
      );
      const { status, reason, message = '' } = found['PodScheduled'] ?? {};
      assert.deepEqual({ status, reason }, { status: 'False', reason: 'Unschedulable' });
      return /^.*?(?:\.(?= |$)|$)/.exec(message)?.[0] ?? '';
    },
    place: async (pod) =>
      String(
        at(
          await until(cluster, pod, (it) => at(it, 'spec.nodeName') !== undefined),
          'spec.nodeName',
        ),
      ),
    async [Symbol.asyncDispose]() {
      await cluster.send('DELETE', `/api/v1/namespaces/${namespace}`);
      for (const name of nodes) await cluster.send('DELETE', `${NODES}/${name}`);
      for (const name of nodes) await until(cluster, `${NODES}/${name}`, (it) => it === undefined);
    },
  };
}

function taintsOf(node: unknown): string {
  return JSON.stringify(at(node, 'spec.taints') ?? []);
}

function requesting(requests: Readonly<Record<string, string>>): object {
  return { containers: [{ name: 'main', image: 'sample:v1', resources: { requests } }] };
}

test('scheduler: without nodes it says so, and gives the pod the first that comes', async () => {
  await using yard = await openYard();
  const pod = await yard.pod('first');
  assert.equal(await yard.refusal(pod), 'no nodes available to schedule pods');
  const node = await yard.node();
  assert.equal(await yard.place(pod), node);
  const cluster = await clusterUnderTest();
  const placed = await until(
    cluster,
    pod,
    (it) => conditionsOf(it)['PodScheduled']?.status === 'True',
  );
  assert.equal(conditionsOf(placed)['PodScheduled']?.reason, undefined);
  assert.equal(at(placed, 'status.phase'), 'Pending');
  const events = `${yard.pods.replace(/pods$/, 'events')}?fieldSelector=involvedObject.name%3Dfirst`;
  const wanted = [
    `Normal Scheduled Successfully assigned ${String(at(placed, 'metadata.namespace'))}/first to ${node}`,
    'Warning FailedScheduling no nodes available to schedule pods',
  ];
  // There may be one more: of the moment before the node was ready.
  await untilItems(cluster, events, (items) => {
    const told = items.map((it) => ['type', 'reason', 'message'].map((f) => at(it, f)).join(' '));
    return wanted.every((event) => told.includes(event));
  });
});

test('scheduler: what a pod requests must be there; it goes on when room is made', async () => {
  await using yard = await openYard();
  const node = await yard.node();
  const big = await yard.pod('big', requesting({ cpu: '1500m', memory: '1Gi' }));
  assert.equal(await yard.place(big), node);
  const refusals = {
    cpu: '0/1 nodes are available: 1 Insufficient cpu.',
    memory: '0/1 nodes are available: 1 Insufficient memory.',
    both: '0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory.',
    'example.com/gpu': '0/1 nodes are available: 1 Insufficient example.com/gpu.',
  };
  const requests = {
    cpu: { cpu: '501m' },
    memory: { memory: '1025Mi' },
    both: { cpu: '1', memory: '2Gi' },
    'example.com/gpu': { 'example.com/gpu': '1' },
  };
  for (const [what, refusal] of Object.entries(refusals)) {
    const wanted = requests[what as keyof typeof requests];
    const limits = 'example.com/gpu' in wanted ? { limits: wanted } : {};
    const containers = [{ name: 'main', image: 'x', resources: { requests: wanted, ...limits } }];
    const pod = await yard.pod(what.replaceAll(/\W/g, '-'), { containers });
    assert.equal(await yard.refusal(pod), refusal);
  }
  assert.equal(await yard.place(await yard.pod('small', requesting({ cpu: '500m' }))), node);
  const cluster = await clusterUnderTest();
  for (const name of ['cpu', 'memory', 'small'])
    await cluster.send('DELETE', `${yard.pods}/${name}`);
  await cluster.send('DELETE', big);
  assert.equal(await yard.place(`${yard.pods}/both`), node);
});

test('scheduler: init containers count by the largest, and pods by their number', async () => {
  await using yard = await openYard();
  const node = await yard.node({ allocatable: { cpu: '1', pods: '2' } });
  const resources = (cpu: string): object => ({ resources: { requests: { cpu } } });
  const init = (cpu: string): object => ({
    initContainers: [{ name: 'init', image: 'x', ...resources(cpu) }],
    containers: [{ name: 'main', image: 'x', ...resources('100m') }],
  });
  assert.match(
    await yard.refusal(await yard.pod('too-big', init('1001m'))),
    /1 Insufficient cpu\.$/,
  );
  assert.equal(await yard.place(await yard.pod('one', { ...init('900m') })), node);
  assert.match(await yard.refusal(await yard.pod('rest', init('101m'))), /1 Insufficient cpu\.$/);
  assert.equal(await yard.place(await yard.pod('two')), node);
  const pod = await yard.pod('three');
  assert.equal(await yard.refusal(pod), '0/1 nodes are available: 1 Too many pods.');
});

test('scheduler: taints, selectors, affinities and cordons keep pods off', async () => {
  await using yard = await openYard();
  const reserved = { key: 'reserved', value: 'db', effect: 'NoSchedule' };
  const node = await yard.node({ labels: { disk: 'fast', size: '9' }, taints: [reserved] });
  await yard.node({ unschedulable: true });
  const tolerations = [
    { key: OURS.key, operator: 'Exists' },
    { key: 'reserved', operator: 'Equal', value: 'db' },
  ];
  const plain = await yard.pod('plain');
  assert.equal(
    await yard.refusal(plain),
    '0/2 nodes are available: 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable.',
  );
  const affine = (operator: string, values?: readonly string[]): object => ({
    tolerations,
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [
            { matchExpressions: [{ key: 'size', operator, ...(values && { values }) }] },
          ],
        },
      },
    },
  });
  const unwanted =
    "1 node(s) didn't match Pod's node affinity/selector, 1 node(s) were unschedulable.";
  for (const [name, spec] of Object.entries({
    selector: { tolerations, nodeSelector: { disk: 'slow' } },
    greater: affine('Gt', ['9']),
    absent: affine('DoesNotExist'),
    other: affine('NotIn', ['8', '9']),
  })) {
    assert.equal(
      await yard.refusal(await yard.pod(name, spec)),
      `0/2 nodes are available: ${unwanted}`,
    );
  }
  for (const [name, spec] of Object.entries({
    fast: { tolerations, nodeSelector: { disk: 'fast' } },
    less: affine('Lt', ['10']),
    there: affine('Exists'),
    listed: affine('In', ['8', '9']),
  })) {
    assert.equal(await yard.place(await yard.pod(name, spec)), node);
  }
});

test('scheduler: host ports are one pod’s, and pods may ask for others or against them', async () => {
  await using yard = await openYard();
  const node = await yard.node({ labels: { 'kubernetes.io/hostname': 'here' } });
  const containers = [{ name: 'main', image: 'x', ports: [{ containerPort: 80, hostPort: 8080 }] }];
  const labels = { app: 'first' };
  assert.equal(await yard.place(await yard.pod('first', { containers }, { labels })), node);
  assert.equal(
    await yard.refusal(await yard.pod('second', { containers })),
    "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.",
  );
  const near = (which: string, app: string): object => ({
    affinity: {
      [which]: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          { labelSelector: { matchLabels: { app } }, topologyKey: 'kubernetes.io/hostname' },
        ],
      },
    },
  });
  assert.equal(
    await yard.refusal(await yard.pod('against', near('podAntiAffinity', 'first'))),
    "0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules.",
  );
  assert.equal(
    await yard.refusal(await yard.pod('lonely', near('podAffinity', 'nobody'))),
    "0/1 nodes are available: 1 node(s) didn't match pod affinity rules.",
  );
  assert.equal(await yard.place(await yard.pod('friend', near('podAffinity', 'first'))), node);
});

test('scheduler: a pod with a gate waits for it, one of another scheduler for that', async () => {
  await using yard = await openYard();
  const node = await yard.node();
  const gated = await yard.pod('gated', { schedulingGates: [{ name: 'example.com/wait' }] });
  const foreign = await yard.pod('foreign', { schedulerName: 'somebody' });
  assert.equal(await yard.place(await yard.pod('usual')), node);
  const cluster = await clusterUnderTest();
  const waiting = await until(cluster, gated, (it) => 'PodScheduled' in conditionsOf(it));
  assert.deepEqual(conditionsOf(waiting)['PodScheduled'], {
    type: 'PodScheduled',
    status: 'False',
    reason: 'SchedulingGated',
    message: 'Scheduling is blocked due to non-empty scheduling gates',
  });
  await merged(cluster, gated, { spec: { schedulingGates: null } });
  assert.equal(await yard.place(gated), node);
  const { body } = await cluster.send('GET', foreign);
  assert.equal(at(body, 'spec.nodeName'), undefined);
  assert.deepEqual(conditionsOf(body), {});
});
