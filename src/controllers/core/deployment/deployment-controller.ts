import { Deployment } from '#api/apps-v1/deployment.ts';
import { ReplicaSet } from '#api/apps-v1/replica-set.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { hasReason } from '#api/meta/api-error.ts';
import { controllerOf } from '#api/meta/object-meta.ts';
import { adoptersOf, claim } from '#controllers/core/claim.ts';
import { deploymentStatus } from '#controllers/core/deployment/deployment-status.ts';
import {
  desiredReplicaSet,
  expiredReplicaSets,
  REVISION,
  sortReplicaSets,
  TEMPLATE_HASH,
  type ReplicaSets,
} from '#controllers/core/deployment/replica-sets.ts';
import {
  resolveBounds,
  rollingUpdateStep,
  type Step,
} from '#controllers/core/deployment/rolling-update.ts';
import { isEnded } from '#controllers/core/pod-state.ts';
import { ConditionAges } from '#reconcile/condition-ages.ts';
import {
  defineController,
  on,
  type Context,
  type Controller,
  type Key,
} from '#reconcile/controller.ts';
import { recordEvent } from '#reconcile/record-event.ts';

/**
 * Rolls a Deployment's template out by ReplicaSets. While it is paused only its newest set follows the replica count.
 */
export function deploymentController(): Controller<Deployment> {
  const ages = new ConditionAges();
  return defineController<Deployment>({
    kind: Deployment,
    owns: [ReplicaSet],
    watches: [
      on(
        ReplicaSet,
        adoptersOf(Deployment, ({ spec }) => spec?.selector),
      ),
      on(Pod, deploymentOf),
    ],
    async reconcile(deployment, context) {
      const { clock } = context;
      // Before anything else, so that each time stamp is seen as soon as it is written.
      const progressAgeMs = ages.ageMs(deployment, { type: 'Progressing', clock });
      const sets = await readSets(deployment, context);
      const collision = await rollOut(deployment, { sets, context });
      if (collision) return { status: { ...deployment.status, collisionCount: collision } };
      const after = await readSets(deployment, context);
      await removeHistory(deployment, { sets: after, context });
      await publishRevision(deployment, { sets: after, context });
      return deploymentStatus(deployment, { ...after, now: clock.now(), progressAgeMs });
    },
    forget: (key) => ages.forget(key),
  });
}

interface Work {
  readonly sets: ReplicaSets;
  readonly context: Context;
}

async function readSets(deployment: Deployment, { client }: Context): Promise<ReplicaSets> {
  const selector = deployment.spec?.selector ?? {};
  return sortReplicaSets(
    deployment,
    await claim(client, ReplicaSet, { owner: deployment, selector }),
  );
}

/** One step towards the wanted sets. Returns the next collision count where the new set's name is another template's. */
async function rollOut(deployment: Deployment, work: Work): Promise<number | undefined> {
  const { newSet, oldSets } = work.sets;
  const { paused = false } = deployment.spec ?? {};
  if (paused && !newSet) return undefined;
  const step = paused ? pausedStep(deployment, work.sets) : await nextStep(deployment, work);
  try {
    if (newSet || step.newReplicas !== undefined) {
      await ensureNewSet(deployment, { ...work, replicas: step.newReplicas ?? 0 });
    }
  } catch (error) {
    if (newSet || !hasReason(error, 'AlreadyExists')) throw error;
    return (deployment.status?.collisionCount ?? 0) + 1;
  }
  for (const [at, set] of oldSets.entries()) {
    await scale(deployment, { set, to: step.oldReplicas[at] ?? 0, context: work.context });
  }
  return undefined;
}

/** As a step; the new set is not to be made yet where `newReplicas` is undefined. */
type MaybeStep = Omit<Step, 'newReplicas'> & { readonly newReplicas: number | undefined };

async function nextStep(deployment: Deployment, { sets, context }: Work): Promise<MaybeStep> {
  const { replicas = 1, strategy } = deployment.spec ?? {};
  if (strategy?.type === 'Recreate') return recreateStep(deployment, { sets, context });
  return rollingUpdateStep({
    replicas,
    ...resolveBounds(replicas, strategy?.rollingUpdate ?? {}),
    newSet: scaleOf(sets.newSet),
    oldSets: sets.oldSets.map(scaleOf),
  });
}

/** Nothing new runs before everything old has ended, its last process included. */
async function recreateStep(deployment: Deployment, { sets, context }: Work): Promise<MaybeStep> {
  const oldReplicas = sets.oldSets.map(() => 0);
  for (const { metadata, spec } of sets.oldSets) {
    const { namespace = '', uid = '' } = metadata;
    const { items } = await context.client.list(Pod, { namespace, ownedBy: uid });
    const isStopping = (spec?.replicas ?? 0) > 0 || items.some((pod) => !isEnded(pod));
    if (isStopping) return { newReplicas: sets.newSet?.spec?.replicas, oldReplicas };
  }
  return { newReplicas: deployment.spec?.replicas ?? 1, oldReplicas };
}

function pausedStep(deployment: Deployment, { oldSets }: ReplicaSets): Step {
  const oldReplicas = oldSets.map(({ spec }) => spec?.replicas ?? 0);
  const held = oldReplicas.reduce((sum, replicas) => sum + replicas, 0);
  return { newReplicas: Math.max(0, (deployment.spec?.replicas ?? 1) - held), oldReplicas };
}

function scaleOf(set: ReplicaSet | undefined) {
  return { replicas: set?.spec?.replicas ?? 0, available: set?.status?.availableReplicas ?? 0 };
}

async function ensureNewSet(
  deployment: Deployment,
  { sets, context, replicas }: Work & { readonly replicas: number },
): Promise<void> {
  const desired = desiredReplicaSet(deployment, { ...sets, replicas });
  // Created, not applied: a set of this name that is not ours has another template, and is not to be changed.
  const now = sets.newSet
    ? await context.client.apply(ReplicaSet, desired)
    : await context.client.create(ReplicaSet, desired);
  await tellScaled(deployment, { set: now, from: sets.newSet?.spec?.replicas ?? 0, context });
}

interface Scaling {
  readonly set: ReplicaSet;
  readonly context: Context;
}

async function scale(
  deployment: Deployment,
  { set, to, context }: Scaling & { readonly to: number },
): Promise<void> {
  const { name = '', namespace = '', resourceVersion } = set.metadata;
  const from = set.spec?.replicas ?? 1;
  if (from === to) return;
  const patch = { metadata: { resourceVersion }, spec: { replicas: to } };
  const now = await context.client.patch(ReplicaSet, { name, namespace }, patch, { type: 'merge' });
  await tellScaled(deployment, { set: now, from, context });
}

async function tellScaled(
  deployment: Deployment,
  { set, from, context }: Scaling & { readonly from: number },
): Promise<void> {
  const to = set.spec?.replicas ?? 0;
  if (from === to) return;
  await recordEvent(context, deployment, {
    type: 'Normal',
    reason: 'ScalingReplicaSet',
    message: `Scaled ${to > from ? 'up' : 'down'} replica set ${set.metadata.name} from ${from} to ${to}`,
    component: 'deployment-controller',
  });
}

async function removeHistory(deployment: Deployment, { sets, context }: Work): Promise<void> {
  if (deployment.spec?.paused) return;
  for (const { metadata } of expiredReplicaSets(deployment, sets.oldSets)) {
    const { name = '', namespace = '', uid = '' } = metadata;
    await context.client.delete(ReplicaSet, { name, namespace }, { preconditions: { uid } });
  }
}

/** `kubectl rollout` reads from the Deployment which revision it is at. */
async function publishRevision(deployment: Deployment, { sets, context }: Work): Promise<void> {
  const revision = sets.newSet?.metadata.annotations?.[REVISION];
  const { name = '', namespace = '', annotations } = deployment.metadata;
  if (revision === undefined || annotations?.[REVISION] === revision) return;
  const patch = { metadata: { annotations: { [REVISION]: revision } } };
  await context.client.patch(Deployment, { name, namespace }, patch, { type: 'merge' });
}

/** Recreate waits for pods, which know their set, whose name ends in their hash. */
function deploymentOf(pod: Pod): readonly Key[] {
  const { namespace = '', labels } = pod.metadata;
  const set = controllerOf(pod);
  const ending = `-${labels?.[TEMPLATE_HASH]}`;
  if (set?.kind !== 'ReplicaSet' || !set.name.endsWith(ending)) return [];
  return [{ namespace, name: set.name.slice(0, -ending.length) }];
}
