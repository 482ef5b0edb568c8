import type { Job } from '#api/batch-v1/job.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { indexOf, parseIndexes, renderIndexes } from '#controllers/core/job/completion-indexes.ts';
import {
  hasFailed,
  hasSucceeded,
  isTracked,
  TRACKING_FINALIZER,
} from '#controllers/core/job/job-pods.ts';
import { failedIndexes, isLastWord, limitsIndexes } from '#controllers/core/job/index-failures.ts';
import { isDecided } from '#controllers/core/job/job-conditions.ts';
import { failureRuling } from '#controllers/core/job/pod-failure-policy.ts';
import type { Context } from '#reconcile/controller.ts';

/** How many pods of a Job have ended, and what is needed to count none of them twice. */
export interface Counts {
  readonly succeeded: number;
  readonly failed: number;
  /** Ends that are published, but not yet added to the numbers above; they are part of them for every decision. */
  readonly uncounted: { readonly succeeded: readonly string[]; readonly failed: readonly string[] };
  /** Of an indexed Job: which pieces of work are done. */
  readonly completedIndexes: ReadonlySet<number>;
  /** Of one whose pieces have limits of their own: which are given up. */
  readonly failedIndexes: ReadonlySet<number>;
}

/**
 * Counts the ends of pods exactly once, whenever this process dies. An end is first published by the pod's uid; only then
 * the pod loses the finalizer that keeps it; only then its uid becomes a number. Each step finds out from what is stored
 * whether it was done. An indexed Job's successes are a set, which needs no such care.
 */
export async function countPods(
  job: Job,
  { pods, context }: { pods: readonly Pod[]; context: Context },
): Promise<Counts> {
  const { status = {} } = job;
  const isIndexed = job.spec?.completionMode === 'Indexed';
  const published = {
    succeeded: new Set(status.uncountedTerminatedPods?.succeeded),
    failed: new Set(status.uncountedTerminatedPods?.failed),
  };
  const completed = parseIndexes(status.completedIndexes);
  const isPublished = (pod: Pod): boolean => {
    const { uid = '' } = pod.metadata;
    if (published.succeeded.has(uid) || published.failed.has(uid)) return true;
    return isIndexed && hasSucceeded(pod) && completed.has(indexOf(pod) ?? -1);
  };
  const given = failedIndexes(job, pods);
  const isKept = (pod: Pod): boolean =>
    !isDecided(job) && !given.has(indexOf(pod) ?? -1) && isLastWord(job, pod, pods);
  const isIgnored = (pod: Pod): boolean =>
    hasFailed(pod, job) && failureRuling(job, pod).action === 'Ignore';
  const tracked = pods.filter((pod) => isTracked(pod) && !isKept(pod));
  for (const pod of tracked.filter((one) => isPublished(one) || isIgnored(one))) {
    await untrack(pod, context);
  }
  const fresh = tracked.filter((pod) => !isPublished(pod) && !isIgnored(pod));
  const succeeded = fresh.filter(hasSucceeded);
  const failed = fresh.filter((pod) => hasFailed(pod, job));
  if (isIndexed) for (const pod of succeeded) completed.add(indexOf(pod) ?? -1);
  const uncounted = {
    succeeded: isIndexed ? [] : succeeded.map(uidOf),
    failed: failed.map(uidOf),
  };
  return {
    succeeded: isIndexed ? completed.size : (status.succeeded ?? 0) + published.succeeded.size,
    failed: (status.failed ?? 0) + published.failed.size,
    uncounted,
    completedIndexes: completed,
    failedIndexes: given,
  };
}

/** The counts as the Job's status has them. */
export function countsStatus(job: Job, counts: Counts): NonNullable<Job['status']> {
  const { succeeded, failed, uncounted, completedIndexes, failedIndexes: given } = counts;
  return {
    ...(succeeded > 0 && { succeeded }),
    ...(failed > 0 && { failed }),
    ...(completedIndexes.size > 0 &&
      job.spec?.completionMode === 'Indexed' && {
        completedIndexes: renderIndexes(completedIndexes),
      }),
    ...(limitsIndexes(job) && { failedIndexes: renderIndexes(given) }),
    uncountedTerminatedPods: {
      ...(uncounted.succeeded.length > 0 && { succeeded: [...uncounted.succeeded] }),
      ...(uncounted.failed.length > 0 && { failed: [...uncounted.failed] }),
    },
  };
}

export function totalSucceeded({ succeeded, uncounted }: Counts): number {
  return succeeded + uncounted.succeeded.length;
}

export function totalFailed({ failed, uncounted }: Counts): number {
  return failed + uncounted.failed.length;
}

/** Lets a pod go; with the version that was read, since others have finalizers too. */
export async function untrack(pod: Pod, { client }: Pick<Context, 'client'>): Promise<void> {
  const { namespace = '', name = '', resourceVersion, finalizers = [] } = pod.metadata;
  const rest = finalizers.filter((finalizer) => finalizer !== TRACKING_FINALIZER);
  const patch = { metadata: { resourceVersion, finalizers: rest } };
  await client.patch(Pod, { namespace, name }, patch, { type: 'merge' });
}

function uidOf({ metadata }: Pod): string {
  return metadata.uid ?? '';
}
