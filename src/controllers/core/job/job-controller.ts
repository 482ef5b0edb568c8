import { Job } from '#api/batch-v1/job.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { ApiError } from '#api/meta/api-error.ts';
import { controllerOf } from '#api/meta/object-meta.ts';
import { adoptersOf, claim } from '#controllers/core/claim.ts';
import { indexOf } from '#controllers/core/job/completion-indexes.ts';
import {
  countPods,
  totalSucceeded,
  untrack,
  type Counts,
} from '#controllers/core/job/count-pods.ts';
import {
  FAILURE_COUNT,
  failuresOf,
  indexWaitMs,
  limitsIndexes,
} from '#controllers/core/job/index-failures.ts';
import { backoffMs, desiredPod, hasFailed, isTracked } from '#controllers/core/job/job-pods.ts';
import { jobStatus } from '#controllers/core/job/job-status.ts';
import { finishedCondition, isFinished } from '#controllers/core/job/job-conditions.ts';
import { deadlineMs, verdictOf } from '#controllers/core/job/job-verdict.ts';
import { isActive, isEnded } from '#controllers/core/pod-state.ts';
import { defineController, on, type Context, type Outcome } from '#reconcile/controller.ts';
import { recordEvent } from '#reconcile/record-event.ts';

/** As upstream: at most so many in one pass, the next follows at once. */
const BURST_MAX = 500;
const COMPONENT = 'job-controller';

/** Runs pods until enough of them have succeeded, or too many have failed. */
export const jobController = defineController<Job>({
  kind: Job,
  owns: [Pod],
  watches: [
    on(
      Pod,
      adoptersOf(Job, ({ spec }) => spec?.selector),
    ),
  ],
  async reconcile(job, context) {
    if (job.spec?.managedBy && job.spec.managedBy !== 'kubernetes.io/job-controller') return {};
    const before = await podsOf(job, context);
    const counts = await countPods(job, { pods: before, context });
    if (isFinished(job)) return finished(job, { counts, pods: before, context });
    const nowMs = context.clock.now().getTime();
    const failed = before.filter((pod) => hasFailed(pod, job));
    const verdict = verdictOf(job, { counts, active: before.filter(isActive), failed, nowMs });
    const waitMs = creationWaitMs(job, { pods: before, counts, nowMs });
    const isRunning = verdict === undefined && !job.spec?.suspend;
    const failure = await changePods(job, {
      pods: before,
      counts,
      isRunning,
      hasLost: verdict?.type === 'Failed',
      nowMs,
      context,
    });
    const pods = await podsOf(job, context);
    const active = pods.filter(isActive);
    const now = context.clock.now();
    const status = jobStatus(job, { counts, verdict, pods, active, now });
    await tellChange(job, { ...job, status }, context);
    const againAfterMs = lookAgainMs({ ...job, status }, { isRunning, waitMs, nowMs });
    return {
      status,
      ...(againAfterMs !== undefined && { againAfterMs }),
      ...(failure && { failure }),
    };
  },
});

/** Takes the finalizer of Jobs from pods whose Job is gone: nobody counts them any more. */
export const jobPodController = defineController<Pod>({
  kind: Pod,
  watches: [on(Job, () => [])],
  reconcilesDeleting: true,
  async reconcile(pod, context) {
    const owner = controllerOf(pod);
    if (!isTracked(pod)) return {};
    const { namespace = '' } = pod.metadata;
    const job =
      owner?.kind === Job.kind
        ? await context.live.get(Job, { namespace, name: owner.name })
        : undefined;
    const isCounted =
      job?.metadata.uid === owner?.uid && job?.metadata.deletionTimestamp === undefined;
    if (job && isCounted) return {};
    await untrack(pod, context);
    return {};
  },
});

async function podsOf(job: Job, { client }: Context): Promise<readonly Pod[]> {
  const selector = job.spec?.selector ?? { matchLabels: {} };
  return claim(client, Pod, { owner: job, selector });
}

/** Counts what ends late, and removes the Job when it has been over for long enough. */
async function finished(
  job: Job,
  { counts, pods, context }: { counts: Counts; pods: readonly Pod[]; context: Context },
): Promise<Outcome<NonNullable<Job['status']>>> {
  const { client, clock } = context;
  const active = pods.filter(isActive);
  const verdict = verdictOf(job, { counts, active, failed: [], nowMs: clock.now().getTime() });
  const status = jobStatus(job, { counts, verdict, pods, active, now: clock.now() });
  const ttl = job.spec?.ttlSecondsAfterFinished;
  const ended = Date.parse(finishedCondition(job)?.lastTransitionTime ?? '');
  if (ttl === undefined || Number.isNaN(ended)) return { status };
  const leftMs = ended + ttl * 1000 - clock.now().getTime();
  if (leftMs > 0) return { status, againAfterMs: leftMs };
  const { namespace = '', name = '', uid = '' } = job.metadata;
  const options = { propagationPolicy: 'Foreground', preconditions: { uid } } as const;
  await client.delete(Job, { namespace, name }, options);
  return {};
}

interface Change {
  readonly pods: readonly Pod[];
  readonly counts: Counts;
  readonly isRunning: boolean;
  /** What still runs of a Job that failed has failed as well; other pods that are not needed are nobody's failure. */
  readonly hasLost: boolean;
  readonly nowMs: number;
  readonly context: Context;
}

/** Brings the number of pods to what the work left needs. What the server refused is told, and tried again. */
async function changePods(job: Job, change: Change): Promise<ApiError | undefined> {
  const { pods, counts, isRunning } = change;
  const active = pods.filter(isActive);
  const wanted = isRunning ? wantedActive(job, active, counts) : 0;
  const missing = wanted - active.length - awaitedEnds(job, pods).length;
  try {
    if (wanted < active.length) await deletePods(job, active.length - wanted, change);
    else if (missing > 0) await createPods(job, Math.min(missing, BURST_MAX), change);
    return undefined;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const message = `Error ${wanted < active.length ? 'deleting' : 'creating'}: ${error.message}`;
    const reason = wanted < active.length ? 'FailedDelete' : 'FailedCreate';
    await tell(job, { type: 'Warning', reason, message }, change.context);
    return error;
  }
}

/** Pods that go, where none may take their place before they have ended. */
function awaitedEnds({ spec }: Job, pods: readonly Pod[]): readonly Pod[] {
  if (spec?.podReplacementPolicy !== 'Failed') return [];
  return pods.filter((pod) => pod.metadata.deletionTimestamp !== undefined && !isEnded(pod));
}

function wantedActive({ spec }: Job, active: readonly Pod[], counts: Counts): number {
  const parallelism = spec?.parallelism ?? 1;
  const succeeded = totalSucceeded(counts);
  // Without a number of completions the first success tells the others to come to an end.
  if (spec?.completions === undefined) {
    return succeeded > 0 ? Math.min(active.length, parallelism) : parallelism;
  }
  const left = spec.completions - succeeded - counts.failedIndexes.size;
  return Math.max(0, Math.min(parallelism, left));
}

async function createPods(job: Job, count: number, change: Change): Promise<void> {
  const { pods, context } = change;
  const create = async (index?: number): Promise<void> => {
    const marks =
      index !== undefined && limitsIndexes(job)
        ? { [FAILURE_COUNT]: String(failuresOf(job, pods, index)) }
        : {};
    const pod = await context.client.create(Pod, desiredPod(job, index, marks));
    const message = `Created pod: ${pod.metadata.name}`;
    await tell(job, { type: 'Normal', reason: 'SuccessfulCreate', message }, context);
  };
  // A failure makes all of the work wait, or that piece of it alone where pieces have limits of their own.
  if (!limitsIndexes(job) && creationWaitMs(job, change) > 0) return;
  if (job.spec?.completionMode !== 'Indexed') {
    for (let at = 0; at < count; at += 1) await create();
    return;
  }
  const free = freeIndexes(job, change).filter((index) => waitOf(job, index, change) === 0);
  for (const index of free.slice(0, count)) await create(index);
}

type Waiting = Pick<Change, 'pods' | 'counts' | 'nowMs'>;

/** How long until a pod may be made again after a failure; 0 where one may be made now. */
function creationWaitMs(job: Job, waiting: Waiting): number {
  if (!limitsIndexes(job)) return backoffMs(waiting.pods, waiting.nowMs);
  const waits = freeIndexes(job, waiting).map((index) => waitOf(job, index, waiting));
  const ahead = waits.filter((ms) => ms > 0);
  return ahead.length === 0 ? 0 : Math.min(...ahead);
}

function waitOf(job: Job, index: number, { pods, nowMs }: Waiting): number {
  return limitsIndexes(job) ? indexWaitMs(job, { pods, index, nowMs }) : 0;
}

function freeIndexes(job: Job, { pods, counts }: Waiting): number[] {
  const busy = [...pods.filter(isActive), ...awaitedEnds(job, pods)].map(indexOf);
  const taken = new Set([...counts.completedIndexes, ...counts.failedIndexes, ...busy]);
  const all = Array.from({ length: job.spec?.completions ?? 0 }, (_, index) => index);
  return all.filter((index) => !taken.has(index));
}

/** Those that have done least go first. */
async function deletePods(
  job: Job,
  count: number,
  { pods, hasLost, context }: Change,
): Promise<void> {
  const order = pods
    .filter(isActive)
    .toSorted((a, b) =>
      (b.metadata.creationTimestamp ?? '').localeCompare(a.metadata.creationTimestamp ?? ''),
    );
  for (const pod of order.slice(0, count)) {
    const { namespace = '', name = '', uid = '' } = pod.metadata;
    if (!hasLost && isTracked(pod)) await untrack(pod, context);
    await context.client.delete(Pod, { namespace, name }, { preconditions: { uid } });
    const message = `Deleted pod: ${name}`;
    await tell(job, { type: 'Normal', reason: 'SuccessfulDelete', message }, context);
  }
}

function lookAgainMs(
  job: Job,
  { isRunning, waitMs, nowMs }: { isRunning: boolean; waitMs: number; nowMs: number },
): number | undefined {
  if (!isRunning) return undefined;
  const untilMs = deadlineMs(job);
  const waits = [
    ...(waitMs > 0 ? [waitMs] : []),
    ...(untilMs !== undefined && untilMs > nowMs ? [untilMs - nowMs] : []),
  ];
  return waits.length > 0 ? Math.min(...waits) : undefined;
}

/** Says once what a condition begins to say. */
async function tellChange(before: Job, after: Job, context: Context): Promise<void> {
  for (const { type, status, reason = '', message = '' } of after.status?.conditions ?? []) {
    const known = before.status?.conditions?.find((one) => one.type === type);
    if (known?.status === status) continue;
    if (type === 'Complete') {
      await tell(after, { type: 'Normal', reason: 'Completed', message: 'Job completed' }, context);
    } else if (type === 'Failed') await tell(after, { type: 'Warning', reason, message }, context);
    else if (type === 'Suspended') {
      const event = status === 'True' ? 'Suspended' : 'Resumed';
      await tell(after, { type: 'Normal', reason: event, message }, context);
    }
  }
}

function tell(
  job: Job,
  text: { type: 'Normal' | 'Warning'; reason: string; message: string },
  context: Context,
): Promise<void> {
  return recordEvent(context, job, { ...text, component: COMPONENT });
}
