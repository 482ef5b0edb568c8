import { Pod } from '#api/core-v1/pod.ts';
import { ReplicaSet } from '#api/apps-v1/replica-set.ts';
import { ApiError } from '#api/meta/api-error.ts';
import { controllerReference } from '#api/meta/object-meta.ts';
import { adoptersOf, claim } from '#controllers/core/claim.ts';
import { isActive } from '#controllers/core/pod-state.ts';
import { podDeletionOrder } from '#controllers/core/replica-set/pod-deletion-order.ts';
import { replicaSetStatus } from '#controllers/core/replica-set/replica-set-status.ts';
import { defineController, on, type Context } from '#reconcile/controller.ts';
import { recordEvent } from '#reconcile/record-event.ts';

/** As upstream: at most so many in one pass, the next follows at once. */
const BURST_MAX = 500;

const EMPTY_SELECTOR = { matchLabels: {} };

/** Keeps as many pods as a ReplicaSet asks for. */
export const replicaSetController = defineController<ReplicaSet>({
  kind: ReplicaSet,
  owns: [Pod],
  watches: [
    on(
      Pod,
      adoptersOf(ReplicaSet, ({ spec }) => spec?.selector),
    ),
  ],
  async reconcile(replicaSet, context) {
    const before = await activePods(replicaSet, context);
    const failure = await changePods(replicaSet, { pods: before, context });
    const pods = await activePods(replicaSet, context);
    const now = context.clock.now();
    const outcome = replicaSetStatus(replicaSet, { pods, now, failure });
    return { ...outcome, ...(failure && { failure: failure.error }) };
  },
});

interface Failure {
  readonly reason: 'FailedCreate' | 'FailedDelete';
  readonly message: string;
  readonly error: ApiError;
}

async function activePods(replicaSet: ReplicaSet, { client }: Context): Promise<readonly Pod[]> {
  const selector = replicaSet.spec?.selector ?? EMPTY_SELECTOR;
  return (await claim(client, Pod, { owner: replicaSet, selector })).filter(isActive);
}

/** Creates what is missing, or deletes what is too many. What it could not do is told, after what it could. */
async function changePods(
  replicaSet: ReplicaSet,
  { pods, context }: { pods: readonly Pod[]; context: Context },
): Promise<Failure | undefined> {
  const missing = (replicaSet.spec?.replicas ?? 1) - pods.length;
  try {
    if (missing > 0) await createPods(replicaSet, { count: missing, context });
    else if (missing < 0) await deletePods(replicaSet, { pods, count: -missing, context });
    return undefined;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const reason = missing > 0 ? 'FailedCreate' : 'FailedDelete';
    const { message } = error;
    const known = replicaSet.status?.conditions?.find(({ type }) => type === 'ReplicaFailure');
    if (known?.message !== message) {
      const doing = missing > 0 ? 'creating' : 'deleting';
      await tell(context, replicaSet, {
        type: 'Warning',
        reason,
        message: `Error ${doing}: ${message}`,
      });
    }
    return { reason, message, error };
  }
}

/** In batches of 1, 2, 4…: where the server refuses one pod it refuses them all, and is not asked a hundred times. */
async function createPods(
  replicaSet: ReplicaSet,
  { count, context }: { count: number; context: Context },
): Promise<void> {
  let left = Math.min(count, BURST_MAX);
  for (let batch = 1; left > 0; batch *= 2) {
    const size = Math.min(batch, left);
    left -= size;
    await allOf(size, async () => {
      const pod = await context.client.create(Pod, desiredPod(replicaSet));
      const message = `Created pod: ${pod.metadata.name}`;
      await tell(context, replicaSet, { type: 'Normal', reason: 'SuccessfulCreate', message });
    });
  }
}

async function deletePods(
  replicaSet: ReplicaSet,
  { pods, count, context }: { pods: readonly Pod[]; count: number; context: Context },
): Promise<void> {
  const victims = podDeletionOrder(pods).slice(0, Math.min(count, BURST_MAX));
  await allOf(victims.length, async (at) => {
    const { name = '', namespace = '', uid = '' } = victims[at]?.metadata ?? {};
    await context.client.delete(Pod, { namespace, name }, { preconditions: { uid } });
    const message = `Deleted pod: ${name}`;
    await tell(context, replicaSet, { type: 'Normal', reason: 'SuccessfulDelete', message });
  });
}

/** Waits for every one, so that none is under way when the next pass counts; throws the first failure. */
async function allOf(count: number, run: (at: number) => Promise<void>): Promise<void> {
  const results = await Promise.allSettled(Array.from({ length: count }, (_, at) => run(at)));
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}

function desiredPod(replicaSet: ReplicaSet): Pod {
  const { name, namespace } = replicaSet.metadata;
  const { metadata, spec } = replicaSet.spec?.template ?? {};
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: `${name}-`,
      ...(namespace !== undefined && { namespace }),
      ...(metadata?.labels && { labels: metadata.labels }),
      ...(metadata?.annotations && { annotations: metadata.annotations }),
      ...(metadata?.finalizers && { finalizers: metadata.finalizers }),
      ownerReferences: [controllerReference(replicaSet)],
    },
    ...(spec && { spec }),
  };
}

function tell(
  context: Context,
  replicaSet: ReplicaSet,
  text: { type: 'Normal' | 'Warning'; reason: string; message: string },
): Promise<void> {
  return recordEvent(context, replicaSet, { ...text, component: 'replicaset-controller' });
}
