import type { Job } from '#api/batch-v1/job.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import { totalFailed, totalSucceeded, type Counts } from '#controllers/core/job/count-pods.ts';

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
  readonly nowMs: number;
}

/** Undefined while there is work left that may still be done. */
export function verdictOf(job: Job, state: JobState): Verdict | undefined {
  return standingVerdict(job) ?? failure(job, state) ?? success(job, state);
}

export function isFinished(job: Job): boolean {
  return finishedCondition(job) !== undefined;
}

/** The condition that says for good how the Job ended. */
export function finishedCondition({ status }: Job) {
  return status?.conditions?.find(
    ({ type, status: is }) => (type === 'Complete' || type === 'Failed') && is === 'True',
  );
}

/** When the Job has run for longer than it may; undefined where it may for ever, or does not run. */
export function deadlineMs({ spec, status }: Job): number | undefined {
  if (spec?.activeDeadlineSeconds === undefined || status?.startTime === undefined)
    return undefined;
  return Date.parse(status.startTime) + spec.activeDeadlineSeconds * 1000;
}

/** Once said it stays, whatever the last pods do. */
function standingVerdict({ status }: Job): Verdict | undefined {
  const found = status?.conditions?.find(
    ({ type, status: is }) =>
      (type === 'FailureTarget' || type === 'SuccessCriteriaMet') && is === 'True',
  );
  if (!found) return undefined;
  const type = found.type === 'FailureTarget' ? 'Failed' : 'Complete';
  return { type, reason: found.reason ?? '', message: found.message ?? '' };
}

function failure(job: Job, { counts, active, nowMs }: JobState): Verdict | undefined {
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

function success({ spec }: Job, { counts, active }: JobState): Verdict | undefined {
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
