import { isDeepStrictEqual } from 'node:util';
import { Lease } from '#api/coordination-v1/lease.ts';
import { Node } from '#api/core-v1/node.ts';
import { desiredTaints } from '#controllers/core/node/node-taints.ts';
import { timestamp } from '#api/meta/timestamp.ts';
import { defineController, on, type Context } from '#reconcile/controller.ts';
import { recordEvent } from '#reconcile/record-event.ts';

const NAMESPACE = 'kube-node-lease';
/** Kubernetes' grace: four heartbeats missed. */
const GRACE_MS = 40_000;

/**
 * Says of a node that has not been heard of for forty seconds that nobody knows how it is (it says itself when it is
 * back), and keeps the taints that follow from how it is.
 */
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
    await keepTaints(node, context);
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

/** With the version that was read: people write taints too. */
async function keepTaints(node: Node, { client, clock }: Context): Promise<void> {
  const taints = desiredTaints(node, timestamp(clock.now()));
  if (isDeepStrictEqual(taints, node.spec?.taints ?? [])) return;
  const { name = '', resourceVersion } = node.metadata;
  const patch = { metadata: { resourceVersion }, spec: { taints } };
  await client.patch(Node, { name }, patch, { type: 'merge' });
}
