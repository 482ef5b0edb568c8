import type { Node } from '#api/core-v1/node.ts';
import type { Taint } from '#api/generated/core-v1.ts';

const PREFIX = 'node.kubernetes.io';
/** Conditions that keep further pods away while they are true. */
const PRESSURES: Readonly<Record<string, string>> = {
  MemoryPressure: 'memory-pressure',
  DiskPressure: 'disk-pressure',
  PIDPressure: 'pid-pressure',
};
const OURS = ['not-ready', 'unreachable', 'unschedulable', ...Object.values(PRESSURES)].map(
  (name) => `${PREFIX}/${name}`,
);

/**
 * The taints a node should have: what people put there, and what its conditions mean. Those that drive pods away carry
 * when they began, from which the time that a pod tolerates them is counted.
 */
export function desiredTaints({ spec, status }: Node, now: string): readonly Taint[] {
  const before = spec?.taints ?? [];
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  const state = ready?.status === 'Unknown' ? 'unreachable' : 'not-ready';
  const wanted: readonly Taint[] = [
    ...before.filter(({ key }) => !OURS.includes(key)),
    ...(spec?.unschedulable ? [taint('unschedulable', 'NoSchedule')] : []),
    ...(status?.conditions ?? []).flatMap((condition) => {
      const name = condition.status === 'True' ? PRESSURES[condition.type] : undefined;
      return name === undefined ? [] : [taint(name, 'NoSchedule')];
    }),
    ...(ready?.status === 'True' ? [] : [taint(state, 'NoSchedule')]),
    // What has not said yet how it is has no pods to lose.
    ...(ready && ready.status !== 'True' ? [taint(state, 'NoExecute')] : []),
  ];
  return wanted.map((each) => {
    const known = before.find(({ key, effect }) => key === each.key && effect === each.effect);
    const kept = known ?? each;
    return kept.effect === 'NoExecute' && !kept.timeAdded ? { ...kept, timeAdded: now } : kept;
  });
}

function taint(name: string, effect: string): Taint {
  return { key: `${PREFIX}/${name}`, effect };
}
