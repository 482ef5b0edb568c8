import { Node } from '#api/core-v1/node.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { tolerates } from '#api/core-v1/toleration.ts';
import { podsOfNode } from '#controllers/core/node/pods-of-node.ts';
import { isActive } from '#controllers/core/pod-state.ts';
import { timestamp } from '#api/meta/timestamp.ts';
import { defineController, on, type Context } from '#reconcile/controller.ts';
import { recordEvent } from '#reconcile/record-event.ts';

/** Deletes pods from nodes with a NoExecute taint: at once, or when the time is over for which they tolerate it. */
export const taintEvictionController = defineController<Pod>({
  kind: Pod,
  watches: [on(Node, podsOfNode)],
  async reconcile(pod, context) {
    const name = pod.spec?.nodeName;
    if (!name || !isActive(pod)) return {};
    const node = await context.client.get(Node, { name });
    if (!node) return {};
    const leftMs = evictionTimeMs(pod, node) - context.clock.now().getTime();
    if (leftMs === Infinity) return {};
    if (leftMs > 0) return { againAfterMs: leftMs };
    await evict(pod, context);
    return {};
  },
});

/** Infinity where nothing drives the pod away, or it stays in spite of it; a time gone by where it tolerates nothing. */
function evictionTimeMs({ spec }: Pod, { spec: node }: Node): number {
  const times = (node?.taints ?? [])
    .filter(({ effect }) => effect === 'NoExecute')
    .map((taint) => {
      const tolerations = (spec?.tolerations ?? []).filter((each) => tolerates(each, taint));
      if (tolerations.length === 0) return -Infinity;
      const seconds = tolerations.map(({ tolerationSeconds = Infinity }) => tolerationSeconds);
      // When a taint without a time began is written down by whoever looks after nodes, in a moment.
      const beganMs = Date.parse(taint.timeAdded ?? '');
      return Number.isNaN(beganMs) ? Infinity : beganMs + Math.min(...seconds) * 1000;
    });
  return Math.min(Infinity, ...times);
}

async function evict(pod: Pod, context: Context): Promise<void> {
  const { client, clock } = context;
  const { namespace = '', name = '', uid = '' } = pod.metadata;
  await recordEvent(context, pod, {
    type: 'Normal',
    reason: 'TaintManagerEviction',
    message: `Marking for deletion Pod ${namespace}/${name}`,
    component: 'taint-eviction-controller',
  });
  const condition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'DeletionByTaintManager',
    message: 'Taint manager: deleting due to NoExecute taint',
    lastTransitionTime: timestamp(clock.now()),
  };
  const others = (pod.status?.conditions ?? []).filter(({ type }) => type !== condition.type);
  const conditions = [...others, condition];
  await client.updateStatus(Pod, { ...pod, status: { ...pod.status, conditions } });
  await client.delete(Pod, { namespace, name }, { preconditions: { uid } });
}
