import { Lease } from '#api/coordination-v1/lease.ts';
import { Node } from '#api/core-v1/node.ts';
import { timestamp } from '#controllers/core/timestamp.ts';
import { defineController, on } from '#reconcile/controller.ts';
import { recordEvent } from '#reconcile/record-event.ts';

const NAMESPACE = 'kube-node-lease';
/** Kubernetes' grace: four heartbeats missed. */
const GRACE_MS = 40_000;

/** Says of a node that has not been heard of for forty seconds that nobody knows how it is. It says itself when it is back. */
export const nodeController = defineController<Node>({
  kind: Node,
  watches: [
    on(Lease, ({ metadata }) =>
      metadata.namespace === NAMESPACE ? [{ namespace: '', name: metadata.name ?? '' }] : [],
    ),
  ],
  async reconcile(node, context) {
    const { client, clock } = context;
    const { name = '', creationTimestamp = '' } = node.metadata;
    const ready = node.status?.conditions?.find(({ type }) => type === 'Ready');
    if (!ready || ready.status === 'Unknown') return {};
    const lease = await client.get(Lease, { namespace: NAMESPACE, name });
    const heardMs = Date.parse(lease?.spec?.renewTime ?? creationTimestamp) || 0;
    const leftMs = heardMs + GRACE_MS - clock.now().getTime();
    if (leftMs > 0) return { againAfterMs: leftMs };
    const now = timestamp(clock.now());
    const conditions = (node.status?.conditions ?? []).map((condition) => ({
      ...condition,
      status: 'Unknown',
      reason: 'NodeStatusUnknown',
      message: 'Kubelet stopped posting node status.',
      lastTransitionTime: now,
    }));
    await recordEvent(context, node, {
      type: 'Normal',
      reason: 'NodeNotReady',
      message: `Node ${name} status is now: NodeNotReady`,
      component: 'node-controller',
    });
    return { status: { ...node.status, conditions } };
  },
});
