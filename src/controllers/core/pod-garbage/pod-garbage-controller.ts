import { Node } from '#api/core-v1/node.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { podsOfNode } from '#controllers/core/node/pods-of-node.ts';
import { isEnded } from '#controllers/core/pod-state.ts';
import { timestamp } from '#api/meta/timestamp.ts';
import { defineController, on, type Context, type Controller } from '#reconcile/controller.ts';

/** As Kubernetes: a node that is away may only be starting anew. */
const QUARANTINE_MS = 40_000;
/** Pods that have ended and that nobody deleted; Kubernetes' threshold. */
const ENDED_MAX = 12_500;

/**
 * Removes pods that nobody else will: those of a node that is no more, those that are to go and never had a node, and of
 * those that have ended the oldest, where there are too many.
 */
export function podGarbageController({ endedMax = ENDED_MAX } = {}): Controller<Pod> {
  const ended = new Set<string>();
  /** By the id of a pod, since when its node is away. */
  const awaySince = new Map<string, number>();
  return defineController<Pod>({
    kind: Pod,
    reconcilesDeleting: true,
    watches: [on(Node, podsOfNode)],
    async reconcile(pod, context) {
      const { spec, metadata } = pod;
      if (isEnded(pod)) {
        ended.add(idOf(pod));
        if (ended.size > endedMax) await removeOldest(context, ended.size - endedMax);
      }
      const { nodeName } = spec ?? {};
      if (!nodeName) {
        if (metadata.deletionTimestamp !== undefined) await remove(pod, context);
        return {};
      }
      if (await context.client.get(Node, { name: nodeName })) {
        awaySince.delete(idOf(pod));
        return {};
      }
      const nowMs = context.clock.monotonicMs();
      const since = awaySince.get(idOf(pod)) ?? nowMs;
      awaySince.set(idOf(pod), since);
      const leftMs = since + QUARANTINE_MS - nowMs;
      if (leftMs > 0) return { againAfterMs: leftMs };
      // Memory may be behind; a pod that is removed by mistake is lost.
      if (await context.live.get(Node, { name: nodeName })) return {};
      await failAndRemove(pod, context);
      return {};
    },
    forget({ namespace, name }) {
      ended.delete(`${namespace}/${name}`);
      awaySince.delete(`${namespace}/${name}`);
    },
  });
}

function idOf({ metadata }: Pod): string {
  return `${metadata.namespace}/${metadata.name}`;
}

async function removeOldest(context: Context, count: number): Promise<void> {
  const { items } = await context.client.list(Pod);
  const oldest = items
    .filter(isEnded)
    .toSorted(
      (one, other) =>
        Date.parse(one.metadata.creationTimestamp ?? '') -
        Date.parse(other.metadata.creationTimestamp ?? ''),
    );
  for (const pod of oldest.slice(0, count)) await remove(pod, context);
}

/** What its node would have said of it. */
async function failAndRemove(pod: Pod, context: Context): Promise<void> {
  const lastTransitionTime = timestamp(context.clock.now());
  const condition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'DeletionByPodGC',
    message: 'PodGC: node no longer exists',
    lastTransitionTime,
  };
  const others = (pod.status?.conditions ?? []).filter(({ type }) => type !== condition.type);
  const phase = isEnded(pod) ? pod.status?.phase : 'Failed';
  const status = { ...pod.status, ...(phase && { phase }), conditions: [...others, condition] };
  await context.client.updateStatus(Pod, { ...pod, status });
  await remove(pod, context);
}

async function remove({ metadata }: Pod, { client }: Context): Promise<void> {
  const { namespace = '', name = '', uid = '' } = metadata;
  const options = { gracePeriodSeconds: 0, preconditions: { uid } };
  await client.delete(Pod, { namespace, name }, options);
}
