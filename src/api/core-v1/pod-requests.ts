import type { Container, PodSpec } from '#api/generated/core-v1.ts';
import { addQuantities, parseQuantity, type Quantity } from '#api/meta/quantity.ts';

/** Amounts by the name of the resource: `cpu`, `memory`. */
export type Amounts = ReadonlyMap<string, Quantity>;

/**
 * What a pod takes of a node, or may take at most: the sum of its containers, or the largest of those that run before
 * them where that is more. What goes on beside the containers, though it began before, counts with both.
 */
export function podAmounts(spec: PodSpec, part: 'requests' | 'limits'): Amounts {
  const amountsOf = ({ resources }: Container): Amounts =>
    new Map(
      Object.entries(resources?.[part] ?? {}).map(([name, text]) => [name, parseQuantity(text)]),
    );
  let beside: Amounts = new Map();
  let peak: Amounts = new Map();
  for (const container of spec.initContainers ?? []) {
    const own = sum(beside, amountsOf(container));
    if (container.restartPolicy === 'Always') beside = own;
    peak = larger(peak, own);
  }
  const running = spec.containers.map(amountsOf).reduce(sum, beside);
  const overhead = new Map(
    Object.entries(spec.overhead ?? {}).map(([name, text]) => [name, parseQuantity(text)]),
  );
  return sum(larger(running, peak), overhead);
}

export function sum(a: Amounts, b: Amounts): Amounts {
  const total = new Map(a);
  for (const [name, amount] of b) {
    const before = total.get(name);
    total.set(name, before ? addQuantities(before, amount) : amount);
  }
  return total;
}

function larger(a: Amounts, b: Amounts): Amounts {
  const result = new Map(a);
  for (const [name, amount] of b) {
    const other = result.get(name);
    if (!other || other.nano < amount.nano) result.set(name, amount);
  }
  return result;
}
