import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '#base/clock.ts';
import { clusterUnderTest } from '#test/support/cluster-under-test.ts';
import { made, merged, until, untilItems } from '#test/support/observe.ts';
import { at } from '#test/support/wire.ts';

const MINUTE_MS = 60_000;

/** Due once an hour, and never within the seconds that a test takes. */
const HOURLY = `${(new Date(systemClock.now()).getUTCMinutes() + 30) % 60} * * * *`;

interface Times {
  readonly cronJob: string;
  readonly jobs: string;
  /** Puts the time of the last Job so far back that one has been missed, and returns the time that was. */
  readonly miss: (hours?: number) => Promise<number>;
  readonly names: (count: number) => Promise<readonly string[]>;
}

/** A CronJob `tick` in a namespace of its own. */
async function start(spec: object = {}): Promise<Times> {
  const cluster = await clusterUnderTest();
  const batch = `/apis/batch/v1/namespaces/${await cluster.namespace()}`;
  const containers = [{ name: 'main', image: 'x' }];
  const jobTemplate = {
    metadata: { labels: { made: 'here' }, annotations: { note: 'a' } },
    spec: { template: { spec: { restartPolicy: 'Never', containers } } },
  };
  const cronJobs = `${batch}/cronjobs`;
  await made(cluster, cronJobs, {
    metadata: { name: 'tick' },
    spec: { schedule: HOURLY, jobTemplate, ...spec },
  });
  const cronJob = `${cronJobs}/tick`;
  const jobs = `${batch}/jobs`;
  return {
    cronJob,
    jobs,
    async miss(hours = 1) {
      const dueMs = lastDue();
      const before = new Date(dueMs - hours * 60 * MINUTE_MS).toISOString().replace('.000', '');
      await merged(cluster, `${cronJob}/status`, { status: { lastScheduleTime: before } });
      return dueMs;
    },
    async names(count) {
      const found = await untilItems(cluster, jobs, (items) => items.length === count);
      return found.map((job) => String(at(job, 'metadata.name'))).toSorted();
    },
  };
}

function lastDue(): number {
  const now = systemClock.now();
  const due = new Date(now);
  due.setUTCMinutes(Number(HOURLY.split(' ')[0]), 0, 0);
  return due.getTime() - (due > now ? 60 * MINUTE_MS : 0);
}

function timestamp(ms: number): string {
  return new Date(ms).toISOString().replace('.000', '');
}

test('cron job: a job of the time that was missed last, with a name that follows from it', async () => {
  const cluster = await clusterUnderTest();
  const times = await start();
  const dueMs = await times.miss(3);
  const [name = ''] = await times.names(1);
  assert.equal(name, `tick-${dueMs / MINUTE_MS}`);
  const { body: job } = await cluster.send('GET', `${times.jobs}/${name}`);
  assert.deepEqual(at(job, 'metadata.annotations'), {
    'batch.kubernetes.io/cronjob-scheduled-timestamp': timestamp(dueMs),
    note: 'a',
  });
  assert.equal((at(job, 'metadata.labels') as Record<string, string>)['made'], 'here');
  const cronJob = await until(
    cluster,
    times.cronJob,
    (it) => at(it, 'status.lastScheduleTime') === timestamp(dueMs),
  );
  const { uid, namespace } = at(job, 'metadata') as Record<string, string>;
  assert.deepEqual(at(job, 'metadata.ownerReferences'), [
    {
      apiVersion: 'batch/v1',
      kind: 'CronJob',
      name: 'tick',
      uid: at(cronJob, 'metadata.uid'),
      controller: true,
      blockOwnerDeletion: true,
    },
  ]);
  const active = await until(cluster, times.cronJob, (it) => at(it, 'status.active') !== undefined);
  for (const [field, value] of Object.entries({
    apiVersion: 'batch/v1',
    kind: 'Job',
    name,
    namespace,
    uid,
  })) {
    assert.equal(at(active, `status.active.0.${field}`), value);
  }
});

test('cron job: what runs while another is due goes on, is replaced, or forbids it', async () => {
  const cluster = await clusterUnderTest();
  for (const [concurrencyPolicy, left] of Object.entries({ Allow: 2, Replace: 1, Forbid: 1 })) {
    const times = await start({ concurrencyPolicy, suspend: true });
    const first = 'tick-1';
    const { body } = await cluster.send('GET', times.cronJob);
    const owner = {
      apiVersion: 'batch/v1',
      kind: 'CronJob',
      name: 'tick',
      uid: at(body, 'metadata.uid'),
      controller: true,
    };
    const { spec } = at(body, 'spec.jobTemplate') as { spec: object };
    const job = await made(cluster, times.jobs, {
      metadata: { name: first, ownerReferences: [owner] },
      spec,
    });
    const { uid, namespace } = at(job, 'metadata') as Record<string, string>;
    const active = [{ apiVersion: 'batch/v1', kind: 'Job', name: first, namespace, uid }];
    await merged(cluster, `${times.cronJob}/status`, { status: { active } });
    const dueMs = await times.miss();
    await merged(cluster, times.cronJob, { spec: { suspend: false } });
    const next = `tick-${dueMs / MINUTE_MS}`;
    if (concurrencyPolicy === 'Forbid') {
      const events = `/api/v1/namespaces/${namespace}/events?fieldSelector=reason%3DJobAlreadyActive`;
      const [event] = await untilItems(cluster, events, (items) => items.length > 0);
      assert.equal(
        at(event, 'message'),
        'Not starting job because prior execution is running and concurrency policy is Forbid',
      );
      assert.deepEqual(await times.names(left), [first]);
    } else {
      await until(cluster, `${times.jobs}/${next}`, (it) => it !== undefined);
      const names = await times.names(left);
      assert.deepEqual(names, concurrencyPolicy === 'Allow' ? [first, next].toSorted() : [next]);
    }
  }
});

test('cron job: what was missed for longer than its deadline is let go', async () => {
  const cluster = await clusterUnderTest();
  const late = await start({ startingDeadlineSeconds: 15 });
  await late.miss();
  const missed = await start();
  await missed.miss();
  await missed.names(1);
  const { body } = await cluster.send('GET', late.jobs);
  assert.deepEqual(at(body, 'items'), []);
});

test('cron job: keeps as many ended jobs as it is told', async () => {
  const cluster = await clusterUnderTest();
  const times = await start({ successfulJobsHistoryLimit: 0 });
  await times.miss();
  const [name = ''] = await times.names(1);
  const pods = `/api/v1/namespaces/${/namespaces\/([^/]+)/.exec(times.jobs)?.[1]}/pods`;
  const [pod] = await untilItems(cluster, pods, (items) => items.length === 1);
  const path = `${pods}/${String(at(pod, 'metadata.name'))}/status`;
  await merged(cluster, path, { status: { phase: 'Succeeded' } });
  await until(cluster, `${times.jobs}/${name}`, (it) => it === undefined);
  const cronJob = await until(
    cluster,
    times.cronJob,
    (it) => at(it, 'status.lastSuccessfulTime') !== undefined,
  );
  assert.equal(at(cronJob, 'status.active'), undefined);
});
