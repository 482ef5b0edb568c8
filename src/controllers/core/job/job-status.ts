import type { Job } from '#api/batch-v1/job.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import { countsStatus, type Counts } from '#controllers/core/job/count-pods.ts';
import { isFinished } from '#controllers/core/job/job-conditions.ts';
import type { Verdict } from '#controllers/core/job/job-verdict.ts';
import { isEnded, isReady } from '#controllers/core/pod-state.ts';
import { timestamp } from '#api/meta/timestamp.ts';

type JobStatus = NonNullable<Job['status']>;
type Condition = NonNullable<JobStatus['conditions']>[number];

export interface JobFacts {
  readonly counts: Counts;
  readonly verdict: Verdict | undefined;
  readonly pods: readonly Pod[];
  readonly active: readonly Pod[];
  readonly now: Date;
}

/** What a Job reports. It is over only when its last pod has ended and is counted. */
export function jobStatus(job: Job, facts: JobFacts): JobStatus {
  const { counts, verdict, pods, active, now } = facts;
  const terminating = pods.filter(
    (pod) => pod.metadata.deletionTimestamp !== undefined && !isEnded(pod),
  ).length;
  const isSettled =
    active.length === 0 &&
    terminating === 0 &&
    counts.uncounted.succeeded.length + counts.uncounted.failed.length === 0;
  const isOver = isFinished(job) || (verdict !== undefined && isSettled);
  const isSuspended = job.spec?.suspend === true && verdict === undefined;
  const conditions = conditionsAfter(job, { verdict, isOver, now });
  const startTime = job.status?.startTime ?? timestamp(now);
  const wasSuspended = isTrue(job, 'Suspended');
  const completionTime = job.status?.completionTime ?? timestamp(now);
  return {
    ...countsStatus(job, counts),
    ...(active.length > 0 && { active: active.length }),
    ready: active.filter(isReady).length,
    terminating,
    ...(!isSuspended && { startTime: wasSuspended && !verdict ? timestamp(now) : startTime }),
    ...(isOver && verdict?.type === 'Complete' && { completionTime }),
    ...(conditions.length > 0 && { conditions }),
  };
}

function isTrue({ status }: Job, type: string): boolean {
  return status?.conditions?.some((one) => one.type === type && one.status === 'True') ?? false;
}

function conditionsAfter(
  job: Job,
  { verdict, isOver, now }: Pick<JobFacts, 'verdict' | 'now'> & { readonly isOver: boolean },
): Condition[] {
  const previous = job.status?.conditions ?? [];
  const wanted: Omit<Condition, 'lastTransitionTime' | 'lastProbeTime'>[] = [];
  const wasSuspended = previous.some(({ type }) => type === 'Suspended');
  if (job.spec?.suspend && !verdict) {
    wanted.push(suspended('True', 'JobSuspended', 'Job suspended'));
  } else if (wasSuspended) {
    wanted.push(suspended('False', 'JobResumed', 'Job resumed'));
  }
  if (verdict) {
    const { type, reason, message } = verdict;
    const target = type === 'Failed' ? 'FailureTarget' : 'SuccessCriteriaMet';
    wanted.push({ type: target, status: 'True', reason, message });
    if (isOver) wanted.push({ type, status: 'True', reason, message });
  }
  return wanted.map((condition) => {
    const known = previous.find(({ type }) => type === condition.type);
    if (known?.status === condition.status && known.reason === condition.reason) return known;
    return { ...condition, lastProbeTime: timestamp(now), lastTransitionTime: timestamp(now) };
  });
}

function suspended(status: 'True' | 'False', reason: string, message: string) {
  return { type: 'Suspended', status, reason, message };
}
