import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterUnderTest } from '#test/support/cluster-under-test.ts';
import { conditionsOf, made, merged, until, untilItems } from '#test/support/observe.ts';
import { at } from '#test/support/wire.ts';

interface Work {
  readonly job: string;
  readonly pods: string;
  /** The pods of the Job that are there and not counted yet, as soon as there are so many. */
  readonly running: (count: number) => Promise<readonly string[]>;
  /** A kubelet's word on how a pod ended. */
  readonly end: (pod: string, phase: 'Succeeded' | 'Failed', exitCode?: number) => Promise<void>;
  readonly until: (isSo: (job: unknown) => boolean) => Promise<unknown>;
}

const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'x' }] } };

/** A Job of a namespace of its own, whose pods have no node. */
async function start(spec: object, name = 'work'): Promise<Work> {
  const cluster = await clusterUnderTest();
  const namespace = await cluster.namespace();
  const jobs = `/apis/batch/v1/namespaces/${namespace}/jobs`;
  const pods = `/api/v1/namespaces/${namespace}/pods`;
  await made(cluster, jobs, { metadata: { name }, spec: { template, ...spec } });
  const job = `${jobs}/${name}`;
  return {
    job,
    pods,
    async running(count) {
      const isRunning = (pod: unknown): boolean =>
        at(pod, 'status.phase') === 'Pending' &&
        at(pod, 'metadata.deletionTimestamp') === undefined;
      const found = await untilItems(
        cluster,
        `${pods}?labelSelector=job-name%3D${name}`,
        (items) => items.filter(isRunning).length === count,
      );
      return found
        .filter(isRunning)
        .map((pod) => String(at(pod, 'metadata.name')))
        .toSorted();
    },
    async end(pod, phase, exitCode = phase === 'Failed' ? 1 : 0) {
      const terminated = { exitCode, reason: phase === 'Failed' ? 'Error' : 'Completed' };
      const status = { name: 'main', image: 'x', imageID: '', ready: false, restartCount: 0 };
      await merged(cluster, `${pods}/${pod}/status`, {
        status: { phase, containerStatuses: [{ ...status, state: { terminated } }] },
      });
    },
    until: async (isSo) => await until(cluster, job, isSo),
  };
}

function isEnded(job: unknown): boolean {
  const { Complete, Failed } = conditionsOf(job);
  return Complete?.status === 'True' || Failed?.status === 'True';
}

/** The status of a Job that is over for this reason: the condition that said so first, and the one that stays. */
function ended(first: string, last: string, reason: string): Record<string, unknown> {
  const conditions = [`${first}=True ${reason}`, `${last}=True ${reason}`];
  return { ready: 0, terminating: 0, started: true, conditions };
}

/** What a Job says of itself, without times; empty lists of what is not counted yet count as none. */
function statusOf(job: unknown): object {
  const {
    startTime,
    completionTime,
    conditions: _conditions,
    uncountedTerminatedPods: _uncounted,
    ...status
  } = at(job, 'status') as Readonly<Record<string, unknown>>;
  return {
    ...status,
    ...(startTime !== undefined && { started: true }),
    ...(completionTime !== undefined && { completed: true }),
    conditions: Object.values(conditionsOf(job)).map(
      ({ type, status: is, reason, message }) => `${type}=${is} ${reason}: ${message}`,
    ),
  };
}

test('job: its pods carry its name and a finalizer; it is complete when they have succeeded', async () => {
  const cluster = await clusterUnderTest();
  const work = await start({ completions: 3, parallelism: 2 });
  const [one = '', two = ''] = await work.running(2);
  const { body: pod } = await cluster.send('GET', `${work.pods}/${one}`);
  const uid = String(at(pod, 'metadata.ownerReferences.0.uid'));
  assert.match(one, /^work-[a-z0-9]{5}$/);
  assert.deepEqual(at(pod, 'metadata.labels'), {
    'batch.kubernetes.io/controller-uid': uid,
    'batch.kubernetes.io/job-name': 'work',
    'controller-uid': uid,
    'job-name': 'work',
  });
  assert.deepEqual(at(pod, 'metadata.finalizers'), ['batch.kubernetes.io/job-tracking']);
  assert.deepEqual(at(pod, 'metadata.ownerReferences'), [
    {
      apiVersion: 'batch/v1',
      kind: 'Job',
      name: 'work',
      uid,
      controller: true,
      blockOwnerDeletion: true,
    },
  ]);
  const begun = await work.until((job) => at(job, 'status.active') === 2);
  assert.deepEqual(statusOf(begun), {
    active: 2,
    ready: 0,
    terminating: 0,
    started: true,
    conditions: [],
  });
  await work.end(one, 'Succeeded');
  const further = await work.until(
    (job) => at(job, 'status.succeeded') === 1 && at(job, 'status.active') === 2,
  );
  assert.deepEqual(statusOf(further), {
    active: 2,
    ready: 0,
    terminating: 0,
    succeeded: 1,
    started: true,
    conditions: [],
  });
  await work.end(two, 'Succeeded');
  const [three = ''] = await work.running(1);
  await work.end(three, 'Succeeded');
  assert.deepEqual(statusOf(await work.until(isEnded)), {
    ready: 0,
    terminating: 0,
    succeeded: 3,
    started: true,
    completed: true,
    conditions: [
      'SuccessCriteriaMet=True CompletionsReached: Reached expected number of succeeded pods',
      'Complete=True CompletionsReached: Reached expected number of succeeded pods',
    ],
  });
  await until(cluster, `${work.pods}/${one}`, (it) => at(it, 'metadata.finalizers') === undefined);
});

test('job: fails when more pods have failed than it may lose', async () => {
  const work = await start({ backoffLimit: 0 });
  const [pod = ''] = await work.running(1);
  await work.end(pod, 'Failed');
  assert.deepEqual(statusOf(await work.until(isEnded)), {
    failed: 1,
    ...ended(
      'FailureTarget',
      'Failed',
      'BackoffLimitExceeded: Job has reached the specified backoff limit',
    ),
  });
});

test('job: fails at its deadline, and ends its pods', async () => {
  const work = await start({ activeDeadlineSeconds: 1 });
  assert.deepEqual(statusOf(await work.until(isEnded)), {
    failed: 1,
    ...ended(
      'FailureTarget',
      'Failed',
      'DeadlineExceeded: Job was active longer than specified deadline',
    ),
  });
});

test('job: each index once, in a compressed list', async () => {
  const cluster = await clusterUnderTest();
  const work = await start({ completionMode: 'Indexed', completions: 4, parallelism: 4 });
  const names = await work.running(4);
  for (const [index, name] of names.entries()) {
    assert.match(name, new RegExp(`^work-${index}-[a-z0-9]{5}$`));
  }
  const { body: pod } = await cluster.send('GET', `${work.pods}/${names[1]}`);
  const KEY = 'batch.kubernetes.io/job-completion-index';
  assert.equal((at(pod, 'metadata.annotations') as Record<string, string>)[KEY], '1');
  assert.equal((at(pod, 'metadata.labels') as Record<string, string>)[KEY], '1');
  assert.equal(at(pod, 'spec.hostname'), 'work-1');
  assert.deepEqual(at(pod, 'spec.containers.0.env'), [
    {
      name: 'JOB_COMPLETION_INDEX',
      valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: `metadata.labels['${KEY}']` } },
    },
  ]);
  for (const index of [0, 1, 3]) await work.end(names[index] ?? '', 'Succeeded');
  const job = await work.until((it) => at(it, 'status.succeeded') === 3);
  assert.equal(at(job, 'status.completedIndexes'), '0,1,3');
  await work.end(names[2] ?? '', 'Succeeded');
  assert.equal(at(await work.until(isEnded), 'status.completedIndexes'), '0-3');
});

test('job: what fails by its policy fails it at once', async () => {
  const onExitCodes = { operator: 'In', values: [42] };
  const rules = [{ action: 'FailJob', onExitCodes }];
  const work = await start({ backoffLimit: 6, podFailurePolicy: { rules } });
  const [pod = ''] = await work.running(1);
  await work.end(pod, 'Failed', 42);
  const namespace = /namespaces\/([^/]+)/.exec(work.job)?.[1];
  const message = `Container main for pod ${namespace}/${pod} failed with exit code 42 matching FailJob rule at index 0`;
  assert.deepEqual(statusOf(await work.until(isEnded)), {
    failed: 1,
    ...ended('FailureTarget', 'Failed', `PodFailurePolicy: ${message}`),
  });
});

test('job: is done when the indexes that matter are', async () => {
  const successPolicy = { rules: [{ succeededIndexes: '0', succeededCount: 1 }] };
  const work = await start({
    completionMode: 'Indexed',
    completions: 2,
    parallelism: 2,
    successPolicy,
  });
  const [first = ''] = await work.running(2);
  await work.end(first, 'Succeeded');
  assert.deepEqual(statusOf(await work.until(isEnded)), {
    completedIndexes: '0',
    succeeded: 1,
    completed: true,
    ...ended('SuccessCriteriaMet', 'Complete', 'SuccessPolicy: Matched rules at index 0'),
  });
});

test('job: each index has its own losses where it is told so', async () => {
  const work = await start({
    completionMode: 'Indexed',
    completions: 2,
    parallelism: 2,
    backoffLimitPerIndex: 0,
  });
  const [first = '', second = ''] = await work.running(2);
  await work.end(first, 'Failed');
  await work.end(second, 'Succeeded');
  assert.deepEqual(statusOf(await work.until(isEnded)), {
    completedIndexes: '1',
    failedIndexes: '0',
    failed: 1,
    succeeded: 1,
    ...ended('FailureTarget', 'Failed', 'FailedIndexes: Job has failed indexes'),
  });
});

test('job: suspended it has no pods, resumed it begins anew', async () => {
  const cluster = await clusterUnderTest();
  const work = await start({ suspend: true });
  const held = await work.until((job) => 'Suspended' in conditionsOf(job));
  assert.deepEqual(statusOf(held), {
    ready: 0,
    terminating: 0,
    conditions: ['Suspended=True JobSuspended: Job suspended'],
  });
  await merged(cluster, work.job, { spec: { suspend: false } });
  await work.running(1);
  const going = await work.until((job) => at(job, 'status.active') === 1);
  assert.deepEqual(statusOf(going), {
    active: 1,
    ready: 0,
    terminating: 0,
    started: true,
    conditions: ['Suspended=False JobResumed: Job resumed'],
  });
  await merged(cluster, work.job, { spec: { suspend: true } });
  await work.until((job) => conditionsOf(job)['Suspended']?.status === 'True');
  await untilItems(cluster, work.pods, (items) => items.length === 0);
  await merged(cluster, work.job, { spec: { suspend: false } });
  await work.running(1);
  const again = await work.until((job) => at(job, 'status.active') === 1);
  assert.equal(at(again, 'status.failed'), undefined, 'nobody failed');
});

test('job: goes, with its pods, when its time is over', async () => {
  const cluster = await clusterUnderTest();
  const work = await start({ ttlSecondsAfterFinished: 0 });
  const [pod = ''] = await work.running(1);
  await work.end(pod, 'Succeeded');
  await work.until((job) => job === undefined);
  await until(cluster, `${work.pods}/${pod}`, (it) => it === undefined);
});

test('job: pods it leaves behind are nobody’s, and can go', async () => {
  const cluster = await clusterUnderTest();
  const work = await start({});
  const [name = ''] = await work.running(1);
  const pod = `${work.pods}/${name}`;
  assert.equal((await cluster.send('DELETE', `${work.job}?propagationPolicy=Orphan`)).status, 200);
  const left = await until(
    cluster,
    pod,
    (found) =>
      at(found, 'metadata.ownerReferences') === undefined && !at(found, 'metadata.finalizers'),
  );
  assert.equal(at(left, 'metadata.deletionTimestamp'), undefined);
  assert.equal((await cluster.send('DELETE', pod)).status, 200);
  assert.equal((await cluster.send('GET', pod)).status, 404);
});
