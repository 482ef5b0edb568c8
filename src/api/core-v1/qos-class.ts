import type { PodSpec } from '#api/generated/core-v1.ts';
import { parseQuantity } from '#api/meta/quantity.ts';

/** How safe a pod is from being stopped for others' sake: all limits set and equal to requests, some set, or none. */
export function qosClassOf(spec: PodSpec): 'Guaranteed' | 'Burstable' | 'BestEffort' {
  const containers = [...(spec.initContainers ?? []), ...spec.containers];
  // What is said of the pod as a whole stands for all that is in it.
  const resources = spec.resources
    ? [spec.resources]
    : containers.map((container) => container.resources ?? {});
  const compute = ['cpu', 'memory'];
  const isSet = resources.some(({ limits, requests }) =>
    compute.some((name) => limits?.[name] !== undefined || requests?.[name] !== undefined),
  );
  if (!isSet) return 'BestEffort';
  const isGuaranteed = resources.every(({ limits, requests }) =>
    compute.every((name) => {
      const limit = limits?.[name];
      return limit !== undefined && isSameAmount(requests?.[name] ?? limit, limit);
    }),
  );
  return isGuaranteed ? 'Guaranteed' : 'Burstable';
}

function isSameAmount(one: string | number, other: string | number): boolean {
  return parseQuantity(one).nano === parseQuantity(other).nano;
}
