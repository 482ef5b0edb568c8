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

/** So often a node that is silent is looked at: a heartbeat. */
const LOOK_MS = 10_000;

/** What was last seen of a node's lease, when on the monotonic clock, and for how long it has been so by then. */
interface Heard {
  readonly renewTime: string;
  readonly lookedMs: number;
  readonly silentMs: number;
}

/**
 * Says of a node that has not been heard of for forty seconds that nobody knows how it is (it says itself when it is
 * back), and keeps the taints that follow from how it is. The times in leases are only compared: clocks jump, and are set
 * differently elsewhere. Between two looks no more than a heartbeat was missed: if that was long ago, we stood still ourselves.
 */
export function nodeController(): Controller<Node> {
  const heard = new Map<string, Heard>();
  const silenceMs = (name: string, renewTime: string, lookedMs: number): number => {
    const known = heard.get(name);
    const silentMs =
      known?.renewTime === renewTime
        ? known.silentMs + Math.min(LOOK_MS, lookedMs - known.lookedMs)
        : 0;
    heard.set(name, { renewTime, lookedMs, silentMs });
    return silentMs;
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
      const leftMs = GRACE_MS - silenceMs(name, renewTime, clock.monotonicMs());
      const ready = node.status?.conditions?.find(({ type }) => type === 'Ready');
      if (!ready || ready.status === 'Unknown') return {};
      if (leftMs > 0) return { againAfterMs: Math.min(leftMs, LOOK_MS) };
      return { status: await unheardOf(node, context) };
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
