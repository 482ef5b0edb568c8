import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Job } from '#api/batch-v1/job.ts';
import { hasReason } from '#api/meta/api-error.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { coreKinds } from '#api/kinds.ts';
import { fixedKinds } from '#api/served-kinds.ts';
import { garbageCollector } from '#controllers/core/garbage-collector/garbage-collector.ts';
import { indexOf } from '#controllers/core/job/completion-indexes.ts';
import { jobController, jobPodController } from '#controllers/core/job/job-controller.ts';
import { startCluster, type Cluster } from '#test/support/cluster.ts';
import { fixture } from '#test/support/fixture.ts';

const ref = { namespace: 'default', name: 'work' };
const INDEXED = 'completionMode: Indexed';

function job(...fields: string[]): Job {
  return fixture(`
    apiVersion: batch/v1
    kind: Job
    metadata: { name: work, namespace: default }
    spec:
      ${fields.join('\n      ')}
      template: { spec: { restartPolicy: Never, containers: [{ name: a, image: example.com/a }] } }
  `);
}

async function start(...fields: string[]): Promise<Cluster> {
  const cluster = await startCluster({
    controllers: [jobController, jobPodController],
    loops: [garbageCollector(fixedKinds(coreKinds))],
  });
  await cluster.client.create(Job, job(...fields));
  await cluster.settled();
  return cluster;
}

async function live({ client }: Cluster): Promise<Pod[]> {
  const { items } = await client.list(Pod);
  return items.filter(
    ({ status, metadata }) => status?.phase === 'Pending' && !metadata.deletionTimestamp,
  );
}

async function liveIndexes(cluster: Cluster): Promise<number[]> {
  const indexes = (await live(cluster)).map((pod) => indexOf(pod) ?? -1);
  return indexes.toSorted((a, b) => a - b);
}

/** Ends the pod of an index, or the first one there is, as an agent would. */
async function end(
  cluster: Cluster,
  { exitCode, index, condition }: { exitCode: number; index?: number; condition?: string },
): Promise<string> {
  const { client, clock } = cluster;
  const pod = (await live(cluster)).find((each) => index === undefined || indexOf(each) === index);
  assert.ok(pod, `no pod of index ${index} runs`);
  const finishedAt = clock.now().toISOString().replace('.000', '');
  const state = { terminated: { exitCode, finishedAt } };
  const container = { name: 'a', image: 'a', imageID: '', ready: false, restartCount: 0, state };
  const phase = exitCode === 0 ? 'Succeeded' : 'Failed';
  const conditions = condition === undefined ? [] : [{ type: condition, status: 'True' }];
  const status = { ...pod.status, phase, conditions, containerStatuses: [container] };
  await client.updateStatus(Pod, { ...pod, status });
  await cluster.settled();
  return pod.metadata.name ?? '';
}

async function statusOf({ client }: Cluster) {
  return (await client.get(Job, ref))?.status ?? {};
}

async function verdict(cluster: Cluster): Promise<string | undefined> {
  const { conditions = [] } = await statusOf(cluster);
  const found = conditions.find(({ type }) => type === 'Complete' || type === 'Failed');
  return found && `${found.type} ${found.reason}: ${found.message}`;
}

const CODES = `podFailurePolicy: { rules: [
        { action: FailJob, onExitCodes: { containerName: a, operator: In, values: [42] } },
        { action: Ignore, onPodConditions: [{ type: DisruptionTarget }] },
        { action: Count, onExitCodes: { operator: NotIn, values: [1] } } ] }`;

test('job: an exit code may end it at once', async () => {
  await using cluster = await start('parallelism: 2', 'completions: 2', CODES);
  const name = await end(cluster, { exitCode: 42 });
  assert.equal(
    await verdict(cluster),
    `Failed PodFailurePolicy: Container a for pod default/${name} failed with exit code 42 matching FailJob rule at index 0`,
  );
  assert.deepEqual(await live(cluster), []);
  await cluster.steady();
});

test('job: a failure that is ignored is made good and does not count', async () => {
  await using cluster = await start('backoffLimit: 0', CODES);
  await end(cluster, { exitCode: 137, condition: 'DisruptionTarget' });
  assert.equal((await statusOf(cluster)).failed, undefined);
  await cluster.advance(10_000);
  assert.equal((await live(cluster)).length, 1);
  await end(cluster, { exitCode: 1 });
  assert.match((await verdict(cluster)) ?? '', /^Failed BackoffLimitExceeded/);
  assert.equal((await statusOf(cluster)).failed, 1);
  const { items } = await cluster.client.list(Pod);
  assert.deepEqual(
    items.flatMap(({ metadata }) => metadata.finalizers ?? []),
    [],
  );
  await cluster.steady();
});

test('job: each piece of work fails for itself', async () => {
  await using cluster = await start(
    INDEXED,
    'completions: 3',
    'parallelism: 3',
    'backoffLimitPerIndex: 1',
  );
  await end(cluster, { exitCode: 1, index: 0 });
  assert.deepEqual(await liveIndexes(cluster), [1, 2]);
  assert.equal((await statusOf(cluster)).failedIndexes, '');
  await cluster.advance(10_000);
  assert.deepEqual(await liveIndexes(cluster), [0, 1, 2]);
  await end(cluster, { exitCode: 1, index: 0 });
  assert.equal((await statusOf(cluster)).failedIndexes, '0');
  await cluster.advance(600_000);
  assert.deepEqual(await liveIndexes(cluster), [1, 2]);
  await cluster.steady();
  await end(cluster, { exitCode: 0, index: 1 });
  assert.equal(await verdict(cluster), undefined);
  await end(cluster, { exitCode: 0, index: 2 });
  assert.equal(await verdict(cluster), 'Failed FailedIndexes: Job has failed indexes');
  const { succeeded, failed, completedIndexes, failedIndexes } = await statusOf(cluster);
  assert.deepEqual([succeeded, failed, completedIndexes, failedIndexes], [2, 2, '1,2', '0']);
  await cluster.steady();
});

test('job: how often a piece of work has failed is not forgotten with its pods', async () => {
  await using cluster = await start(INDEXED, 'completions: 1', 'backoffLimitPerIndex: 1');
  const name = await end(cluster, { exitCode: 1, index: 0 });
  await cluster.client.delete(Pod, { namespace: 'default', name }, { gracePeriodSeconds: 0 });
  await cluster.advance(10_000);
  await end(cluster, { exitCode: 1, index: 0 });
  assert.match((await verdict(cluster)) ?? '', /^Failed FailedIndexes/);
  await cluster.steady();
});

test('job: too many pieces given up end it, and a rule gives one up at once', async () => {
  await using cluster = await start(
    INDEXED,
    'completions: 5',
    'parallelism: 5',
    'backoffLimitPerIndex: 9',
    'maxFailedIndexes: 1',
    'podFailurePolicy: { rules: [{ action: FailIndex, onExitCodes: { operator: In, values: [3] } }] }',
  );
  await end(cluster, { exitCode: 3, index: 4 });
  assert.equal((await statusOf(cluster)).failedIndexes, '4');
  await end(cluster, { exitCode: 3, index: 1 });
  assert.equal(
    await verdict(cluster),
    'Failed MaxFailedIndexesExceeded: Job has exceeded the specified maximal number of failed indexes',
  );
  assert.deepEqual(await live(cluster), []);
  await cluster.steady();
});

test('job: is done once the work that matters is', async () => {
  const rules = 'successPolicy: { rules: [{ succeededIndexes: "0,2-3", succeededCount: 2 }] }';
  await using cluster = await start(INDEXED, 'completions: 4', 'parallelism: 4', rules);
  await end(cluster, { exitCode: 0, index: 1 });
  await end(cluster, { exitCode: 0, index: 3 });
  assert.equal(await verdict(cluster), undefined);
  await end(cluster, { exitCode: 0, index: 0 });
  assert.equal(await verdict(cluster), 'Complete SuccessPolicy: Matched rules at index 0');
  assert.deepEqual(await live(cluster), []);
  await cluster.steady();
});

test('job: where asked, a pod is replaced only when it has ended', async () => {
  await using cluster = await start('podReplacementPolicy: Failed');
  const [pod] = await live(cluster);
  assert.ok(pod);
  const { name = '' } = pod.metadata;
  // Somebody else holds it, so that it goes on being there.
  const patch = { metadata: { finalizers: [...(pod.metadata.finalizers ?? []), 'example.com/x'] } };
  const at = { namespace: 'default', name };
  await cluster.client.patch(Pod, at, patch, { type: 'merge' });
  const target = { target: { kind: 'Node', name: 'n' } };
  await cluster.client.createSubresource(Pod, { ...at, subresource: 'binding' }, target);
  await cluster.client.delete(Pod, at, { gracePeriodSeconds: 0 });
  await cluster.settled();
  assert.deepEqual(await live(cluster), []);
  assert.equal((await statusOf(cluster)).terminating, 1);
  await cluster.steady();
});

test('job: policies that contradict each other are refused', async () => {
  await using cluster = await startCluster();
  const check = async (fields: string[], message: RegExp): Promise<void> => {
    await assert.rejects(cluster.client.create(Job, job(...fields)), (error) => {
      assert.ok(hasReason(error, 'Invalid'));
      assert.match(error.message, message);
      return true;
    });
  };
  await check(['backoffLimitPerIndex: 1'], /backoffLimitPerIndex: .*requires indexed completion/);
  await check([INDEXED, 'completions: 2', 'maxFailedIndexes: 1'], /backoffLimitPerIndex: Required/);
  await check(['successPolicy: { rules: [{ succeededCount: 1 }] }'], /successPolicy: .*indexed/);
  const rule = (text: string): string => `podFailurePolicy: { rules: [{ ${text} }] }`;
  await check(
    [rule('action: Retry, onPodConditions: [{ type: A }]')],
    /Unsupported value: "Retry"/,
  );
  await check([rule('action: FailIndex, onPodConditions: [{ type: A }]')], /backoffLimitPerIndex/);
  await check([rule('action: Ignore')], /one of OnExitCodes and OnPodConditions is required/);
  const zero = 'action: Ignore, onExitCodes: { operator: In, values: [0] }';
  await check([rule(zero)], /must not be 0/);
  await check(
    [CODES, 'podReplacementPolicy: TerminatingOrFailed'],
    /podReplacementPolicy: Unsupported value/,
  );
});
