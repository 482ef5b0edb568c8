import { Node } from '#api/core-v1/node.ts';
import { Pod } from '#api/core-v1/pod.ts';
import {
  defineController,
  keyOf,
  on,
  type Context,
  type Key,
  type Known,
} from '#reconcile/controller.ts';
import { recordEvent } from '#reconcile/record-event.ts';

const COMPONENT = 'default-scheduler';
const UNSCHEDULABLE = 'Unschedulable';

/**
 * Gives each pod without a node the first node, by name, that is ready and takes pods; where there is none, the pod's
 * PodScheduled condition says so and it waits for one. It does not look at resources, nodeSelector, affinity or taints:
 * a pod that asks for what no node has is bound all the same.
 */
export const podBindingController = defineController<Pod>({
  kind: Pod,
  watches: [on(Node, waitingPods)],
  async reconcile(pod, context) {
    if (!isWaiting(pod)) return {};
    const { items } = await context.client.list(Node);
    const nodes = items.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
    const node = nodes.find(takesPods);
    if (!node) return { status: await refuse(pod, { nodes, context }) };
    await bind(pod, { node, context });
    return {};
  },
});

function isWaiting({ metadata, spec }: Pod): boolean {
  const isOurs = (spec?.schedulerName ?? COMPONENT) === COMPONENT;
  const isHeld = (spec?.schedulingGates?.length ?? 0) > 0;
  return !spec?.nodeName && isOurs && !isHeld && metadata.deletionTimestamp === undefined;
}

function takesPods({ spec, status }: Node): boolean {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  return ready?.status === 'True' && spec?.unschedulable !== true;
}

function waitingPods(_node: Node, known: Known): readonly Key[] {
  return known
    .list(Pod)
    .filter(isWaiting)
    .map((pod) => keyOf(pod));
}

async function bind(pod: Pod, { node, context }: { node: Node; context: Context }): Promise<void> {
  const { name = '', namespace = '', uid } = pod.metadata;
  const binding = {
    apiVersion: 'v1',
    kind: 'Binding',
    metadata: { name, namespace, uid },
    target: { apiVersion: 'v1', kind: 'Node', name: nameOf(node) },
  };
  await context.client.createSubresource(Pod, { name, namespace, subresource: 'binding' }, binding);
  await recordEvent(context, pod, {
    type: 'Normal',
    reason: 'Scheduled',
    message: `Successfully assigned ${namespace}/${name} to ${nameOf(node)}`,
    component: COMPONENT,
  });
}

type PodStatus = NonNullable<Pod['status']>;

/** The status of a pod that no node takes; an event tells of it once. */
async function refuse(
  pod: Pod,
  { nodes, context }: { nodes: readonly Node[]; context: Context },
): Promise<PodStatus> {
  const message = `0/${nodes.length} nodes are available: no node is ready and schedulable.`;
  const conditions = pod.status?.conditions ?? [];
  const known = conditions.find(({ type }) => type === 'PodScheduled');
  if (known?.message === message) return pod.status ?? {};
  const now = context.clock
    .now()
    .toISOString()
    .replace(/\.\d+Z$/, 'Z');
  const scheduled = {
    type: 'PodScheduled',
    status: 'False',
    reason: UNSCHEDULABLE,
    message,
    lastTransitionTime: known?.lastTransitionTime ?? now,
  };
  const event = { type: 'Warning', reason: 'FailedScheduling', message } as const;
  await recordEvent(context, pod, { ...event, component: COMPONENT });
  const others = conditions.filter(({ type }) => type !== 'PodScheduled');
  return { ...pod.status, conditions: [...others, scheduled] };
}

function nameOf({ metadata }: Node): string {
  return metadata.name ?? '';
}
