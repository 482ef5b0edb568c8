import type { Job } from '#api/batch-v1/job.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import { totalFailed, totalSucceeded, type Counts } from '#controllers/core/job/count-pods.ts';
import { decision } from '#controllers/core/job/job-conditions.ts';
import { failureRuling } from '#controllers/core/job/pod-failure-policy.ts';
import { metSuccessRule } from '#controllers/core/job/success-policy.ts';

/** Why a Job is over, or about to be once its last pods are gone. */
export interface Verdict {
  readonly type: 'Complete' | 'Failed';
  readonly reason: string;
  readonly message: string;
}

/** What is known of a Job at one moment. */
export interface JobState {
  readonly counts: Counts;
  /** Neither ended nor asked to end. */
  readonly active: readonly Pod[];
  readonly failed: readonly Pod[];
  readonly nowMs: number;
}

/** Undefined while there is work left that may still be done. */
export function verdictOf(job: Job, state: JobState): Verdict | undefined {
  return standingVerdict(job) ?? failure(job, state) ?? success(job, state);
}

/** When the Job has run for longer than it may; undefined where it may for ever, or does not run. */
export function deadlineMs({ spec, status }: Job): number | undefined {
  if (spec?.activeDeadlineSeconds === undefined || status?.startTime === undefined)
    return undefined;
  return Date.parse(status.startTime) + spec.activeDeadlineSeconds * 1000;
}

/** Once said it stays, whatever the last pods do. */
function standingVerdict(job: Job): Verdict | undefined {
  const found = decision(job);
  if (!found) return undefined;
  const type = found.type === 'FailureTarget' ? 'Failed' : 'Complete';
  return { type, reason: found.reason ?? '', message: found.message ?? '' };
}

function failure(job: Job, state: JobState): Verdict | undefined {
  const { counts, active, nowMs } = state;
  const ruled = policyFailure(job, state) ?? indexFailure(job, counts);
  if (ruled) return ruled;
  const limit = job.spec?.backoffLimit ?? 6;
  if (totalFailed(counts) > limit || restartedTooOften(job, active, limit)) {
    return {
      type: 'Failed',
      reason: 'BackoffLimitExceeded',
      message: 'Job has reached the specified backoff limit',
    };
  }
  const untilMs = deadlineMs(job);
  if (untilMs === undefined || nowMs < untilMs) return undefined;
  return {
    type: 'Failed',
    reason: 'DeadlineExceeded',
    message: 'Job was active longer than specified deadline',
  };
}

function policyFailure(job: Job, { failed }: JobState): Verdict | undefined {
  const found = failed
    .map((pod) => failureRuling(job, pod))
    .find(({ action }) => action === 'FailJob');
  return found && { type: 'Failed', reason: 'PodFailurePolicy', message: found.message };
}

/** Where pieces of work have limits of their own: too many are given up, or nothing but those is left. */
function indexFailure({ spec }: Job, counts: Counts): Verdict | undefined {
  const { size } = counts.failedIndexes;
  if (size > (spec?.maxFailedIndexes ?? Infinity)) {
    const message = 'Job has exceeded the specified maximal number of failed indexes';
    return { type: 'Failed', reason: 'MaxFailedIndexesExceeded', message };
  }
  if (size === 0 || size + totalSucceeded(counts) < (spec?.completions ?? 0)) return undefined;
  return { type: 'Failed', reason: 'FailedIndexes', message: 'Job has failed indexes' };
}

/** Where containers are restarted in their pod, their restarts are the failures. */
function restartedTooOften({ spec }: Job, active: readonly Pod[], limit: number): boolean {
  if (spec?.template.spec?.restartPolicy !== 'OnFailure') return false;
  const restarts = active
    .flatMap(({ status }) => [
      ...(status?.initContainerStatuses ?? []),
      ...(status?.containerStatuses ?? []),
    ])
    .reduce((sum, { restartCount }) => sum + restartCount, 0);
  return limit === 0 ? restarts > 0 : restarts >= limit;
}

function success(job: Job, { counts, active }: JobState): Verdict | undefined {
  const { spec } = job;
  const rule = metSuccessRule(job, counts.completedIndexes);
  if (rule !== undefined) {
    const message = `Matched rules at index ${rule}`;
    return { type: 'Complete', reason: 'SuccessPolicy', message };
  }
  const succeeded = totalSucceeded(counts);
  const isDone =
    spec?.completions === undefined
      ? succeeded > 0 && active.length === 0
      : succeeded >= spec.completions;
  if (!isDone) return undefined;
  return {
    type: 'Complete',
    reason: 'CompletionsReached',
    message: 'Reached expected number of succeeded pods',
  };
}
