import { isDeepStrictEqual } from 'node:util';
import { Lease } from '#api/coordination-v1/lease.ts';
import { Node } from '#api/core-v1/node.ts';
import { desiredTaints } from '#controllers/core/node/node-taints.ts';
import { timestamp } from '#api/meta/timestamp.ts';
import { defineController, on, type Context, type Controller } from '#reconcile/controller.ts';
import { recordEvent } from '#reconcile/record-event.ts';

const NAMESPACE = 'kube-node-lease';
/** Kubernetes' grace: four heartbeats missed. */
const GRACE_MS = 40_000;

/** What was last seen of a node's lease, and since when on the monotonic clock. */
interface Heard {
  readonly renewTime: string;
  readonly sinceMs: number;
}

/**
 * Says of a node that has not been heard of for forty seconds that nobody knows how it is (it says itself when it is
 * back), and keeps the taints that follow from how it is. The times in leases are only compared: clocks jump, and are set
 * differently elsewhere.
 */
export function nodeController(): Controller<Node> {
  const heard = new Map<string, Heard>();
  const silentMs = (name: string, now: Heard): number => {
    const known = heard.get(name);
    if (known?.renewTime === now.renewTime) return now.sinceMs - known.sinceMs;
    heard.set(name, now);
    return 0;
  };
  return defineController<Node>({
    kind: Node,
    watches: [
      on(Lease, ({ metadata }) =>
        metadata.namespace === NAMESPACE ? [{ namespace: '', name: metadata.name ?? '' }] : [],
      ),
    ],
    async reconcile(node, context) {
      const { client, clock } = context;
      const { name = '' } = node.metadata;
      await keepTaints(node, context);
      const lease = await client.get(Lease, { namespace: NAMESPACE, name });
      const renewTime = lease?.spec?.renewTime ?? '';
      const againAfterMs = GRACE_MS - silentMs(name, { renewTime, sinceMs: clock.monotonicMs() });
      const ready = node.status?.conditions?.find(({ type }) => type === 'Ready');
      if (!ready || ready.status === 'Unknown') return {};
      return againAfterMs > 0 ? { againAfterMs } : { status: await unheardOf(node, context) };
    },
    forget: ({ name }) => void heard.delete(name),
  });
}

async function unheardOf(node: Node, context: Context): Promise<NonNullable<Node['status']>> {
  const now = timestamp(context.clock.now());
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
    message: `Node ${node.metadata.name} status is now: NodeNotReady`,
    component: 'node-controller',
  });
  return { ...node.status, conditions };
}

/** With the version that was read: people write taints too. */
async function keepTaints(node: Node, { client, clock }: Context): Promise<void> {
  const taints = desiredTaints(node, timestamp(clock.now()));
  if (isDeepStrictEqual(taints, node.spec?.taints ?? [])) return;
  const { name = '', resourceVersion } = node.metadata;
  const patch = { metadata: { resourceVersion }, spec: { taints } };
  await client.patch(Node, { name }, patch, { type: 'merge' });
}
