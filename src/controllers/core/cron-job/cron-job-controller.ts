import { CronJob } from '#api/batch-v1/cron-job.ts';
import { Job } from '#api/batch-v1/job.ts';
import { parseSchedule, type Schedule } from '#api/batch-v1/schedule.ts';
import { hasReason } from '#api/meta/api-error.ts';
import { controllerReference } from '#api/meta/object-meta.ts';
import { finishedCondition, isFinished } from '#controllers/core/job/job-conditions.ts';
import { timestamp } from '#api/meta/timestamp.ts';
import {
  defineController,
  keyOf,
  TerminalError,
  type Context,
  type Controller,
  type Key,
} from '#reconcile/controller.ts';
import { recordEvent, type EventText } from '#reconcile/record-event.ts';

const MINUTE_MS = 60_000;
const SCHEDULED_AT = 'batch.kubernetes.io/cronjob-scheduled-timestamp';

type Status = NonNullable<CronJob['status']>;

/** Makes a Job each time one is due. Its name follows from the time, so that no time has two, whoever dies when. */
export function cronJobController(): Controller<CronJob> {
  // By uid, the time whose Job was forbidden last: each is told of once, however often it is looked at.
  const forbidden = new Map<string, { readonly key: Key; readonly due: number }>();
  return defineController<CronJob>({
    kind: CronJob,
    owns: [Job],
    async reconcile(cronJob, context) {
      const schedule = scheduleOf(cronJob);
      const jobs = await jobsOf(cronJob, context);
      await removeOld(cronJob, jobs, context);
      const status = observedStatus(cronJob, jobs);
      const now = context.clock.now();
      if (cronJob.spec?.suspend) return { status };
      const next = schedule.next(now);
      const againAfterMs = next && next.getTime() - now.getTime();
      const again = againAfterMs === undefined ? {} : { againAfterMs };
      const due = dueTime(cronJob, { schedule, now });
      if (!due) return { status, ...again };
      if (cronJob.spec?.concurrencyPolicy === 'Forbid' && (status.active?.length ?? 0) > 0) {
        const { uid = '' } = cronJob.metadata;
        const wasTold = forbidden.get(uid)?.due === due.getTime();
        forbidden.set(uid, { key: keyOf(cronJob), due: due.getTime() });
        if (!wasTold) await tellForbidden(cronJob, context);
        return { status, ...again };
      }
      const started = await startJob(cronJob, { due, status, context });
      return { status: started, ...again };
    },
    forget(gone) {
      for (const [uid, { key }] of forbidden) {
        if (key.namespace === gone.namespace && key.name === gone.name) forbidden.delete(uid);
      }
    },
  });
}

function tellForbidden(cronJob: CronJob, context: Context): Promise<void> {
  const message =
    'Not starting job because prior execution is running and concurrency policy is Forbid';
  return tell(cronJob, { type: 'Normal', reason: 'JobAlreadyActive', message }, context);
}

function scheduleOf({ spec }: CronJob): Schedule {
  const schedule = parseSchedule(spec?.schedule ?? '', spec?.timeZone);
  if ('problem' in schedule) {
    throw new TerminalError(`Cannot read the schedule "${spec?.schedule}": ${schedule.problem}`);
  }
  return schedule;
}

async function jobsOf({ metadata }: CronJob, { client }: Context): Promise<readonly Job[]> {
  const { namespace = '', uid = '' } = metadata;
  const { items } = await client.list(Job, { namespace, ownedBy: uid });
  return items.toSorted((a, b) => startOf(a) - startOf(b));
}

function startOf({ metadata, status }: Job): number {
  return Date.parse(status?.startTime ?? metadata.creationTimestamp ?? '') || 0;
}

/** The last time that has come and has no Job yet; those before it were missed and are let go. */
function dueTime(
  { metadata, spec, status }: CronJob,
  { schedule, now }: { schedule: Schedule; now: Date },
): Date | undefined {
  const since = new Date(status?.lastScheduleTime ?? metadata.creationTimestamp ?? now);
  const due = schedule.last(since, now);
  const patienceSeconds = spec?.startingDeadlineSeconds;
  const isLate =
    due !== undefined &&
    patienceSeconds !== undefined &&
    now.getTime() - due.getTime() > patienceSeconds * 1000;
  return isLate ? undefined : due;
}

async function startJob(
  cronJob: CronJob,
  { due, status, context }: { due: Date; status: Status; context: Context },
): Promise<Status> {
  const { client } = context;
  const active = status.active ?? [];
  const policy = cronJob.spec?.concurrencyPolicy;
  if (policy === 'Replace') {
    for (const { name = '', namespace = '' } of active) {
      await client.delete(Job, { namespace, name }, { propagationPolicy: 'Background' });
      const message = `Deleted job ${name}`;
      await tell(cronJob, { type: 'Normal', reason: 'SuccessfulDelete', message }, context);
    }
  }
  const job = await ensureJob(cronJob, due, context);
  const others = policy === 'Replace' ? [] : active;
  const known = others.filter(({ name }) => name !== job.metadata.name);
  return {
    ...status,
    active: [...known, referenceOf(job)],
    lastScheduleTime: timestamp(due),
  };
}

async function ensureJob(cronJob: CronJob, due: Date, context: Context): Promise<Job> {
  const desired = desiredJob(cronJob, due);
  const { name = '', namespace = '' } = desired.metadata;
  try {
    const job = await context.client.create(Job, desired);
    const message = `Created job ${name}`;
    await tell(cronJob, { type: 'Normal', reason: 'SuccessfulCreate', message }, context);
    return job;
  } catch (error) {
    if (!hasReason(error, 'AlreadyExists')) throw error;
    // Made just before a crash: the time it was made for is what is missing.
    return (await context.live.get(Job, { namespace, name })) ?? desired;
  }
}

function desiredJob(cronJob: CronJob, due: Date): Job {
  const { name = '', namespace } = cronJob.metadata;
  const { metadata, spec } = cronJob.spec?.jobTemplate ?? {};
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: `${name}-${Math.floor(due.getTime() / MINUTE_MS)}`,
      ...(namespace !== undefined && { namespace }),
      ...(metadata?.labels && { labels: metadata.labels }),
      annotations: { ...metadata?.annotations, [SCHEDULED_AT]: timestamp(due) },
      ownerReferences: [controllerReference(cronJob)],
    },
    ...(spec && { spec }),
  };
}

function observedStatus({ status }: CronJob, jobs: readonly Job[]): Status {
  const active = jobs.filter((job) => !isFinished(job)).map(referenceOf);
  const successes = jobs
    .filter((job) => finishedCondition(job)?.type === 'Complete')
    .map((job) => job.status?.completionTime ?? '');
  const last = [...successes, status?.lastSuccessfulTime ?? ''].toSorted().at(-1);
  const { lastScheduleTime } = status ?? {};
  return {
    ...(active.length > 0 && { active }),
    ...(lastScheduleTime !== undefined && { lastScheduleTime }),
    ...(last && { lastSuccessfulTime: last }),
  };
}

function referenceOf({ metadata }: Job): NonNullable<Status['active']>[number] {
  const { name = '', namespace = '', uid = '' } = metadata;
  return { apiVersion: 'batch/v1', kind: 'Job', name, namespace, uid };
}

/** Keeps the newest of those that have ended, as many as the limits say. */
async function removeOld({ spec }: CronJob, jobs: readonly Job[], context: Context): Promise<void> {
  const limits = {
    Complete: spec?.successfulJobsHistoryLimit ?? 3,
    Failed: spec?.failedJobsHistoryLimit ?? 1,
  };
  for (const [type, limit] of Object.entries(limits)) {
    const ended = jobs.filter((job) => finishedCondition(job)?.type === type);
    for (const { metadata } of ended.slice(0, Math.max(0, ended.length - limit))) {
      const { namespace = '', name = '', uid = '', deletionTimestamp } = metadata;
      if (deletionTimestamp !== undefined) continue;
      const options = { propagationPolicy: 'Background', preconditions: { uid } } as const;
      await context.client.delete(Job, { namespace, name }, options);
    }
  }
}

function tell(
  cronJob: CronJob,
  text: Omit<EventText, 'component'>,
  context: Context,
): Promise<void> {
  return recordEvent(context, cronJob, { ...text, component: 'cronjob-controller' });
}
