import { Node } from '#api/core-v1/node.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { claimNamesOf } from '#api/core-v1/pod-claims.ts';
import { PersistentVolumeClaim } from '#api/core-v1/persistent-volume-claim.ts';
import { PersistentVolume } from '#api/core-v1/persistent-volume.ts';
import { isEnded } from '#controllers/core/pod-state.ts';
import type { Candidate } from '#controllers/core/scheduler/candidate.ts';
import { unfitReasons, unschedulableMessage } from '#controllers/core/scheduler/fit.ts';
import { preferenceFor } from '#controllers/core/scheduler/node-affinity.ts';
import { awaitVolumes, claimsOf, volumeReasons } from '#controllers/core/scheduler/pod-volumes.ts';
import { timestamp } from '#api/meta/timestamp.ts';
import {
  defineController,
  keyOf,
  on,
  type Context,
  type Controller,
  type Key,
  type Known,
} from '#reconcile/controller.ts';
import { recordEvent } from '#reconcile/record-event.ts';

const COMPONENT = 'default-scheduler';
const UNSCHEDULABLE = 'Unschedulable';

type PodStatus = NonNullable<Pod['status']>;

/**
 * Gives each pod without a node one that has room for what it requests and that it may run on: of those the one that it
 * prefers, then the one with the fewest pods. Where there is none, the pod's PodScheduled condition says why, and it is looked at again whenever a node
 * or another pod changes. Priorities, spreading, and which pods it would
 * rather be near are not looked at.
 */
export function scheduler(): Controller<Pod> {
  // Pods just bound, by uid, until the informer tells of it: the next decision must count them.
  const bound = new Map<string, string>();
  return defineController<Pod>({
    kind: Pod,
    watches: [
      on(Node, (_node, known) => waitingPods(known)),
      on(Pod, (pod, known) => (pod.spec?.nodeName ? waitingPods(known) : [])),
      on(PersistentVolumeClaim, (_claim, known) => podsWithClaims(known)),
      on(PersistentVolume, (_volume, known) => podsWithClaims(known)),
    ],
    // Two pods must not be given the same last place.
    concurrency: 1,
    async reconcile(pod, context) {
      const uid = pod.metadata.uid ?? '';
      if (pod.spec?.nodeName) bound.delete(uid);
      if (!isWaiting(pod) || bound.has(uid) || !pod.spec) return {};
      const { spec } = pod;
      const candidates = await candidatesOf(context, bound);
      const { problem, claims } = await claimsOf(pod, context.client);
      if (problem !== undefined) {
        const message = `0/${candidates.length} nodes are available: ${problem}.`;
        return { status: await refuse(pod, message, context) };
      }
      const reasons = candidates.map((candidate) => [
        ...unfitReasons({ ...pod, spec }, candidate, candidates),
        ...volumeReasons(claims, candidate),
      ]);
      const chosen = candidates
        .filter((_, at) => reasons[at]?.length === 0)
        .toSorted(
          (a, b) =>
            preferenceFor(spec, b.node) - preferenceFor(spec, a.node) ||
            a.pods.length - b.pods.length,
        )[0];
      if (!chosen) return { status: await refuse(pod, unschedulableMessage(reasons), context) };
      // Bound when its volumes are, of which the informer will tell.
      if (await awaitVolumes(claims, nameOf(chosen.node), context.client)) return {};
      await bind(pod, nameOf(chosen.node), context);
      bound.set(uid, nameOf(chosen.node));
      return {};
    },
  });
}

function isWaiting({ metadata, spec }: Pod): boolean {
  const isOurs = (spec?.schedulerName ?? COMPONENT) === COMPONENT;
  const isHeld = (spec?.schedulingGates?.length ?? 0) > 0;
  return !spec?.nodeName && isOurs && !isHeld && metadata.deletionTimestamp === undefined;
}

function waitingPods(known: Known): readonly Key[] {
  return known
    .list(Pod)
    .filter(isWaiting)
    .map((pod) => keyOf(pod));
}

function podsWithClaims(known: Known): readonly Key[] {
  return known
    .list(Pod)
    .filter((pod) => isWaiting(pod) && claimNamesOf(pod).length > 0)
    .map((pod) => keyOf(pod));
}

/** Every node, by name, with what runs or is about to run on it. */
async function candidatesOf(
  { client }: Context,
  bound: Map<string, string>,
): Promise<readonly Candidate[]> {
  const { items: pods } = await client.list(Pod);
  const { items: nodes } = await client.list(Node);
  const uids = new Set(pods.map(({ metadata }) => metadata.uid));
  for (const uid of bound.keys()) if (!uids.has(uid)) bound.delete(uid);
  const byNode = Map.groupBy(
    pods.filter((pod) => !isEnded(pod)),
    ({ metadata, spec }) => spec?.nodeName ?? bound.get(metadata.uid ?? ''),
  );
  return nodes
    .toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
    .map((node) => ({ node, pods: byNode.get(nameOf(node)) ?? [] }));
}

async function bind(pod: Pod, node: string, context: Context): Promise<void> {
  const { name = '', namespace = '', uid } = pod.metadata;
  const binding = {
    apiVersion: 'v1',
    kind: 'Binding',
    metadata: { name, namespace, uid },
    target: { apiVersion: 'v1', kind: 'Node', name: node },
  };
  await context.client.createSubresource(Pod, { name, namespace, subresource: 'binding' }, binding);
  await recordEvent(context, pod, {
    type: 'Normal',
    reason: 'Scheduled',
    message: `Successfully assigned ${namespace}/${name} to ${node}`,
    component: COMPONENT,
  });
}

/** The status of a pod that no node takes; an event tells of it once. */
async function refuse(pod: Pod, message: string, context: Context): Promise<PodStatus> {
  const conditions = pod.status?.conditions ?? [];
  const known = conditions.find(({ type }) => type === 'PodScheduled');
  if (known?.message === message) return pod.status ?? {};
  const scheduled = {
    type: 'PodScheduled',
    status: 'False',
    reason: UNSCHEDULABLE,
    message,
    lastTransitionTime: known?.lastTransitionTime ?? timestamp(context.clock.now()),
  };
  const event = { type: 'Warning', reason: 'FailedScheduling', message } as const;
  await recordEvent(context, pod, { ...event, component: COMPONENT });
  const others = conditions.filter(({ type }) => type !== 'PodScheduled');
  return { ...pod.status, conditions: [...others, scheduled] };
}

function nameOf({ metadata }: Node): string {
  return metadata.name ?? '';
}
