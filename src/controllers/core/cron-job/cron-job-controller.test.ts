import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '#base/fake-clock.ts';
import { CronJob } from '#api/batch-v1/cron-job.ts';
import { Job } from '#api/batch-v1/job.ts';
import { coreKinds } from '#api/kinds.ts';
import { cronJobController } from '#controllers/core/cron-job/cron-job-controller.ts';
import { garbageCollector } from '#controllers/core/garbage-collector/garbage-collector.ts';
import { fixedKinds } from '#api/served-kinds.ts';
import { startCluster, type Cluster } from '#test/support/cluster.ts';
import { fixture } from '#test/support/fixture.ts';

const ref = { namespace: 'default', name: 'tick' };
const MINUTE = 60_000;

async function start(spec = '', clock = new FakeClock()): Promise<Cluster> {
  const cluster = await startCluster({
    clock,
    controllers: [cronJobController()],
    loops: [garbageCollector(fixedKinds(coreKinds))],
  });
  await cluster.client.create(
    CronJob,
    fixture(`
      apiVersion: batch/v1
      kind: CronJob
      metadata: { name: tick, namespace: default }
      spec:
        schedule: "*/5 * * * *"
        ${spec}
        jobTemplate:
          metadata: { labels: { app: tick } }
          spec: { template: { spec: { restartPolicy: Never, containers: [{ name: a, image: example.com/a }] } } }
    `),
  );
  await cluster.settled();
  return cluster;
}

async function jobNames({ client }: Cluster): Promise<string[]> {
  const { items } = await client.list(Job);
  return items.map(({ metadata }) => metadata.name ?? '').toSorted();
}

/** Says of every Job that has not ended that it has, as the Job controller would. */
async function finish(cluster: Cluster, type: 'Complete' | 'Failed' = 'Complete'): Promise<void> {
  const { client, clock } = cluster;
  const at = clock.now().toISOString().replace('.000', '');
  for (const job of (await client.list(Job)).items) {
    if (job.status?.conditions) continue;
    const conditions = [{ type, status: 'True', lastTransitionTime: at }];
    const status = {
      startTime: at,
      conditions,
      ...(type === 'Complete' && { completionTime: at }),
    };
    await client.updateStatus(Job, { ...job, status });
  }
  await cluster.settled();
}

async function statusOf({ client }: Cluster) {
  return (await client.get(CronJob, ref))?.status ?? {};
}

test('cron job: makes a Job each time one is due, named after the time', async () => {
  await using cluster = await start();
  assert.deepEqual(await jobNames(cluster), []);
  await cluster.advance(5 * MINUTE);
  const minutes = Date.parse('2026-01-01T00:05:00Z') / MINUTE;
  assert.deepEqual(await jobNames(cluster), [`tick-${minutes}`]);
  const status = await statusOf(cluster);
  assert.equal(status.lastScheduleTime, '2026-01-01T00:05:00Z');
  assert.equal(status.active?.length, 1);
  await cluster.steady();
  await finish(cluster);
  await cluster.advance(5 * MINUTE);
  assert.equal((await jobNames(cluster)).length, 2);
  assert.equal((await statusOf(cluster)).lastSuccessfulTime, '2026-01-01T00:05:00Z');
  assert.equal((await statusOf(cluster)).active?.length, 1);
  const [job] = (await cluster.client.list(Job)).items;
  assert.equal(job?.metadata.labels?.['app'], 'tick');
  await cluster.steady();
});

test('cron job: what happens while one still runs is a matter of policy', async () => {
  for (const [policy, count] of [
    ['Allow', 2],
    ['Forbid', 1],
    ['Replace', 1],
  ] as const) {
    await using cluster = await start(`concurrencyPolicy: ${policy}`);
    await cluster.advance(5 * MINUTE);
    const [first] = await jobNames(cluster);
    await cluster.advance(5 * MINUTE);
    const names = await jobNames(cluster);
    assert.equal(names.length, count, policy);
    assert.equal(names.includes(first ?? ''), policy !== 'Replace', policy);
    await cluster.steady();
  }
});

test('cron job: of times missed only the last is made good, and none after its deadline', async () => {
  await using cluster = await start('suspend: true');
  for (let minute = 0; minute < 17; minute += 1) await cluster.advance(MINUTE);
  const { client } = cluster;
  await client.patch(CronJob, ref, { spec: { suspend: false } }, { type: 'merge' });
  await cluster.settled();
  assert.equal((await jobNames(cluster)).length, 1);
  assert.equal((await statusOf(cluster)).lastScheduleTime, '2026-01-01T00:15:00Z');
  await using late = await start('suspend: true\n        startingDeadlineSeconds: 60');
  for (let minute = 0; minute < 17; minute += 1) await late.advance(MINUTE);
  await late.client.patch(CronJob, ref, { spec: { suspend: false } }, { type: 'merge' });
  await late.settled();
  assert.deepEqual(await jobNames(late), []);
  await late.steady();
});

test('cron job: keeps as many ended Jobs as its limits say', async () => {
  await using cluster = await start('successfulJobsHistoryLimit: 1');
  for (let round = 0; round < 3; round += 1) {
    await cluster.advance(5 * MINUTE);
    await finish(cluster);
  }
  assert.equal((await jobNames(cluster)).length, 1);
  await cluster.advance(5 * MINUTE);
  await finish(cluster, 'Failed');
  assert.equal((await jobNames(cluster)).length, 2);
  await cluster.steady();
});

test('F10: a clock that jumps makes one Job of the times it passed over, and none twice', async () => {
  const clock = new FakeClock();
  await using cluster = await start('', clock);
  await cluster.advance(5 * MINUTE);
  clock.jump(60 * MINUTE);
  await cluster.advance(5 * MINUTE);
  const beganAt = Date.parse('2026-01-01T00:00:00Z') / MINUTE;
  const names = [5, 70].map((minute) => `tick-${beganAt + minute}`);
  assert.deepEqual(await jobNames(cluster), names);
  clock.jump(-2 * 60 * MINUTE);
  for (let minutes = 0; minutes < 115; minutes += 5) await cluster.advance(5 * MINUTE);
  assert.deepEqual(await jobNames(cluster), names);
  await cluster.advance(10 * MINUTE);
  assert.equal((await jobNames(cluster)).length, 3);
  await cluster.steady();
});
