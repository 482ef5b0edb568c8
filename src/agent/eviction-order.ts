import type { Pod } from '#api/core-v1/pod.ts';
import { podAmounts } from '#api/core-v1/pod-requests.ts';
import { amountOf, numberOf, renderQuantity } from '#api/meta/quantity.ts';
import type { Shortage } from '#agent/node-pressure.ts';

/** What pods are ended for the want of. */
export type Scarce = 'memory' | 'ephemeral-storage' | 'pids';

/** What a pod uses of it, in bytes or processes; its containers together may use less, as volumes are the pod's. */
export interface PodUse {
  readonly pod: Pod;
  readonly amount: number;
  readonly containers: Readonly<Record<string, number>>;
}

/** Pods with this priority or more are what the cluster itself needs. */
const CRITICAL = 2_000_000_000;

/**
 * Whom Kubernetes ends first: of those that use more than they asked for, then of the others, the one with the lowest
 * priority, and of those the one that is farthest beyond its request; of processes nobody can ask for any. Undefined where there
 * is none to end.
 */
export function evictionVictim<T extends PodUse>(
  uses: readonly T[],
  scarce: Scarce,
): T | undefined {
  const ranked = uses
    .filter(({ pod }) => (pod.spec?.priority ?? 0) < CRITICAL)
    .map((use) => ({ use, beyond: use.amount - requested(use.pod, scarce) }));
  const [first] = ranked.toSorted(
    (a, b) =>
      Number(b.beyond > 0) - Number(a.beyond > 0) ||
      (a.use.pod.spec?.priority ?? 0) - (b.use.pod.spec?.priority ?? 0) ||
      b.beyond - a.beyond,
  );
  return first?.use;
}

/** Why, in Kubernetes' words. */
export function evictionMessage(
  { pod, containers }: PodUse,
  scarce: Scarce,
  { available, threshold }: Shortage,
): string {
  const named = scarce === 'pids' ? [] : (pod.spec?.containers ?? []);
  const beyond = named.flatMap(({ name, resources }) => {
    const request = resources?.requests?.[scarce] ?? 0;
    const used = containers[name] ?? 0;
    if (used <= amountOf(request)) return [];
    return [
      `Container ${name} was using ${shown(used, scarce)}, request is ${request}, has larger consumption of ${scarce}. `,
    ];
  });
  return [
    `The node was low on resource: ${scarce}. `,
    `Threshold quantity: ${shown(threshold, scarce)}, available: ${shown(available, scarce)}. `,
    ...beyond,
  ].join('');
}

function requested({ spec }: Pod, scarce: Scarce): number {
  const asked = spec && podAmounts(spec, 'requests').get(scarce);
  return asked ? numberOf(asked) : 0;
}

const NANO = 1_000_000_000n;
const KIBI = 1024;

/** Whole processes, or whole kibibytes: nobody decides by less. */
function shown(amount: number, scarce: Scarce): string {
  if (scarce === 'pids') return String(Math.ceil(amount));
  const bytes = Math.ceil(amount / KIBI) * KIBI;
  return renderQuantity({ nano: BigInt(bytes) * NANO, isBinary: true });
}
