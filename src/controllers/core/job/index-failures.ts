import type { Job } from '#api/batch-v1/job.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import { indexOf, parseIndexes } from '#controllers/core/job/completion-indexes.ts';
import { backoffAfterMs, finishedMs, hasFailed } from '#controllers/core/job/job-pods.ts';
import { failureRuling } from '#controllers/core/job/pod-failure-policy.ts';

/** How often pods of its index had failed before this one was made. */
export const FAILURE_COUNT = 'batch.kubernetes.io/job-index-failure-count';

/** Whether each piece of work has a limit of its own. */
export function limitsIndexes({ spec }: Job): boolean {
  return spec?.completionMode === 'Indexed' && spec.backoffLimitPerIndex !== undefined;
}

/** Pieces of work that are given up: once they are, whatever pods there are. */
export function failedIndexes(job: Job, pods: readonly Pod[]): Set<number> {
  if (!limitsIndexes(job)) return new Set();
  const failed = parseIndexes(job.status?.failedIndexes);
  const limit = job.spec?.backoffLimitPerIndex ?? 0;
  for (const pod of pods.filter((each) => hasFailed(each, job))) {
    const index = indexOf(pod);
    if (index === undefined) continue;
    const isOver = failureRuling(job, pod).action === 'FailIndex' || failuresWith(job, pod) > limit;
    if (isOver) failed.add(index);
  }
  return failed;
}

/** How often a piece of work has failed, as its pods tell. */
export function failuresOf(job: Job, pods: readonly Pod[], index: number): number {
  const counts = pods
    .filter((pod) => indexOf(pod) === index)
    .map((pod) => (hasFailed(pod, job) ? failuresWith(job, pod) : failuresBefore(pod)));
  return Math.max(0, ...counts);
}

/** How long a piece of work that has failed waits for its next pod. */
export function indexWaitMs(
  job: Job,
  { pods, index, nowMs }: { pods: readonly Pod[]; index: number; nowMs: number },
): number {
  const failures = failuresOf(job, pods, index);
  if (failures === 0) return 0;
  const ends = pods
    .filter((pod) => indexOf(pod) === index && hasFailed(pod, job))
    .map((pod) => finishedMs(pod));
  return Math.max(0, Math.max(0, ...ends) + backoffAfterMs(failures) - nowMs);
}

/** Whether it alone tells how often its piece of work has failed: it is kept until another pod carries the number on. */
export function isLastWord(job: Job, pod: Pod, pods: readonly Pod[]): boolean {
  if (!limitsIndexes(job) || !hasFailed(pod, job)) return false;
  return !pods.some(
    (other) =>
      other !== pod &&
      indexOf(other) === indexOf(pod) &&
      failuresBefore(other) >= failuresWith(job, pod),
  );
}

function failuresWith(job: Job, pod: Pod): number {
  const isCounted = failureRuling(job, pod).action !== 'Ignore';
  return failuresBefore(pod) + (isCounted ? 1 : 0);
}

function failuresBefore({ metadata }: Pod): number {
  return Number(metadata.annotations?.[FAILURE_COUNT] ?? 0) || 0;
}
