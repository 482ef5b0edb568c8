import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Job } from '#api/batch-v1/job.ts';
import { Event } from '#api/core-v1/event.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { coreKinds } from '#api/kinds.ts';
import { garbageCollector } from '#controllers/core/garbage-collector/garbage-collector.ts';
import { parseIndexes, renderIndexes } from '#controllers/core/job/completion-indexes.ts';
import { jobController, jobPodController } from '#controllers/core/job/job-controller.ts';
import { fixedKinds } from '#api/served-kinds.ts';
import { startCluster, type Cluster } from '#test/support/cluster.ts';
import { fixture } from '#test/support/fixture.ts';
import { podNames } from '#test/support/pods.ts';

const controllers = [jobController, jobPodController];
const loops = [garbageCollector(fixedKinds(coreKinds))];
const ref = { namespace: 'default', name: 'work' };

function job(spec: string): Job {
  return fixture(`
    apiVersion: batch/v1
    kind: Job
    metadata: { name: work, namespace: default }
    spec:
      ${spec}
      template: { spec: { restartPolicy: Never, containers: [{ name: a, image: example.com/a }] } }
  `);
}

async function start(spec: string): Promise<Cluster> {
  const cluster = await startCluster({ controllers, loops });
  await cluster.client.create(Job, job(spec));
  await cluster.settled();
  return cluster;
}

async function live({ client }: Cluster): Promise<Pod[]> {
  const { items } = await client.list(Pod);
  return items.filter(({ status }) => status?.phase === 'Pending' || status?.phase === 'Running');
}

/** Ends the first so many pods that still run, as an agent would. */
async function end(cluster: Cluster, phase: 'Succeeded' | 'Failed', count = 1): Promise<void> {
  const { client, clock } = cluster;
  const finishedAt = clock.now().toISOString().replace('.000', '');
  for (const pod of (await live(cluster)).slice(0, count)) {
    const exitCode = phase === 'Failed' ? 1 : 0;
    const state = { terminated: { exitCode, finishedAt } };
    const container = { name: 'a', image: 'a', imageID: '', ready: false, restartCount: 0, state };
    const status = { ...pod.status, phase, containerStatuses: [container] };
    await client.updateStatus(Pod, { ...pod, status });
  }
  await cluster.settled();
}

async function statusOf({ client }: Cluster) {
  return (await client.get(Job, ref))?.status ?? {};
}

async function trueConditions(cluster: Cluster): Promise<string[]> {
  const { conditions = [] } = await statusOf(cluster);
  return conditions
    .filter(({ status }) => status === 'True')
    .map(({ type, reason }) => `${type} ${reason}`);
}

test('job: runs as many pods at once as it may until enough have succeeded', async () => {
  await using cluster = await start('completions: 3\n      parallelism: 2');
  assert.equal((await live(cluster)).length, 2);
  assert.equal((await statusOf(cluster)).active, 2);
  await end(cluster, 'Succeeded', 2);
  assert.equal((await live(cluster)).length, 1);
  assert.equal((await statusOf(cluster)).succeeded, 2);
  await cluster.steady();
  await end(cluster, 'Succeeded');
  const status = await statusOf(cluster);
  assert.equal(status.succeeded, 3);
  assert.equal(status.active, undefined);
  assert.equal(status.completionTime, '2026-01-01T00:00:00Z');
  assert.deepEqual(status.uncountedTerminatedPods, {});
  assert.deepEqual(await trueConditions(cluster), [
    'SuccessCriteriaMet CompletionsReached',
    'Complete CompletionsReached',
  ]);
  assert.ok((await cluster.client.list(Event)).items.some(({ reason }) => reason === 'Completed'));
  for (const { metadata } of (await cluster.client.list(Pod)).items) {
    assert.deepEqual(metadata.finalizers ?? [], []);
  }
  await cluster.steady();
});

test('job: a failure is made good after a growing wait, until the limit', async () => {
  await using cluster = await start('backoffLimit: 2');
  await end(cluster, 'Failed');
  assert.equal((await statusOf(cluster)).failed, 1);
  assert.equal((await live(cluster)).length, 0);
  await cluster.advance(9_000);
  assert.equal((await live(cluster)).length, 0);
  await cluster.advance(1_000);
  assert.equal((await live(cluster)).length, 1);
  await end(cluster, 'Failed');
  await cluster.advance(10_000);
  assert.equal((await live(cluster)).length, 0);
  await cluster.advance(10_000);
  assert.equal((await live(cluster)).length, 1);
  await end(cluster, 'Failed');
  assert.equal((await statusOf(cluster)).failed, 3);
  assert.deepEqual(await trueConditions(cluster), [
    'FailureTarget BackoffLimitExceeded',
    'Failed BackoffLimitExceeded',
  ]);
  await cluster.advance(3_600_000);
  assert.equal((await podNames(cluster)).length, 3);
  await cluster.steady();
});

test('job: what takes too long is ended', async () => {
  await using cluster = await start('activeDeadlineSeconds: 60');
  await cluster.advance(59_000);
  assert.equal((await live(cluster)).length, 1);
  await cluster.advance(1_000);
  assert.deepEqual(await podNames(cluster), []);
  assert.deepEqual(await trueConditions(cluster), [
    'FailureTarget DeadlineExceeded',
    'Failed DeadlineExceeded',
  ]);
  assert.equal((await statusOf(cluster)).failed, 1);
  await cluster.steady();
});

test('job: suspended it has no pods, and begins anew when resumed', async () => {
  await using cluster = await start('suspend: true');
  assert.deepEqual(await podNames(cluster), []);
  assert.equal((await statusOf(cluster)).startTime, undefined);
  assert.deepEqual(await trueConditions(cluster), ['Suspended JobSuspended']);
  await cluster.advance(5_000);
  await cluster.client.patch(Job, ref, { spec: { suspend: false } }, { type: 'merge' });
  await cluster.settled();
  assert.equal((await live(cluster)).length, 1);
  assert.equal((await statusOf(cluster)).startTime, '2026-01-01T00:00:05Z');
  assert.deepEqual(await trueConditions(cluster), []);
  await cluster.steady();
});

test('job: goes, with its pods, some time after it has finished', async () => {
  await using cluster = await start('ttlSecondsAfterFinished: 30');
  await end(cluster, 'Succeeded');
  await cluster.advance(29_000);
  assert.ok(await cluster.client.get(Job, ref));
  await cluster.advance(1_000);
  assert.equal(await cluster.client.get(Job, ref), undefined);
  assert.deepEqual(await podNames(cluster), []);
  await cluster.steady();
});

test('job: its pods can go when it is deleted before they are counted', async () => {
  await using cluster = await start('parallelism: 2');
  await cluster.client.delete(Job, ref, { propagationPolicy: 'Background' });
  await cluster.settled();
  assert.deepEqual(await podNames(cluster), []);
  await cluster.steady();
});

test('job: an end that was published before a crash is counted once', async () => {
  const uncountedTerminatedPods = { succeeded: ['a-pod-that-is-gone'] };
  await using again = await startCluster({ controllers, loops });
  const copy = await again.client.create(Job, job('completions: 2'));
  await again.client.updateStatus(Job, {
    ...copy,
    status: { startTime: '2026-01-01T00:00:00Z', uncountedTerminatedPods },
  });
  await again.settled();
  const status = await statusOf(again);
  assert.equal(status.succeeded, 1);
  assert.deepEqual(status.uncountedTerminatedPods, {});
  await again.steady();
});

test('job: with indexes each piece of work is done once', async () => {
  await using cluster = await start(
    'completionMode: Indexed\n      completions: 3\n      parallelism: 2',
  );
  const [first] = await live(cluster);
  assert.match(first?.metadata.name ?? '', /^work-0-/);
  assert.equal(first?.spec?.hostname, 'work-0');
  assert.equal(first.spec.containers[0]?.env?.[0]?.name, 'JOB_COMPLETION_INDEX');
  await end(cluster, 'Failed');
  await cluster.advance(10_000);
  assert.deepEqual((await live(cluster)).map(({ spec }) => spec?.hostname ?? '').toSorted(), [
    'work-0',
    'work-1',
  ]);
  await end(cluster, 'Succeeded', 2);
  assert.equal((await statusOf(cluster)).completedIndexes, '0,1');
  await end(cluster, 'Succeeded');
  const status = await statusOf(cluster);
  assert.equal(status.completedIndexes, '0-2');
  assert.equal(status.succeeded, 3);
  assert.equal(status.failed, 1);
  await cluster.steady();
});

test('job: indexes are written as Kubernetes writes them', () => {
  for (const text of ['', '0', '0,1', '0-2', '1,3-5,7', '0,1,3,4']) {
    assert.equal(renderIndexes(parseIndexes(text)), text);
  }
});
