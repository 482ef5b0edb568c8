import type { Pod } from '#api/core-v1/pod.ts';
import { parseGoDuration } from '#api/meta/go-duration.ts';
import { parseQuantity } from '#api/meta/quantity.ts';
import type { PodMetrics } from '#api/metrics-v1beta1/pod-metrics.ts';
import type { PodUsage } from '#controllers/core/horizontal-pod-autoscaler/pod-groups.ts';
import { MetricUnavailable } from '#controllers/core/horizontal-pod-autoscaler/propose-replicas.ts';

/** `cpu` of all containers of a pod, or of the one that is named. */
export interface MeasuredResource {
  readonly name: string;
  readonly container?: string | undefined;
}

/** By the pods' names, in thousandths. Throws MetricUnavailable where nothing is measured, or not that container. */
export function usageOf(
  metrics: readonly PodMetrics[],
  resource: MeasuredResource,
): ReadonlyMap<string, PodUsage> {
  const usage = new Map<string, PodUsage>();
  for (const { metadata, containers, timestamp, window } of metrics) {
    const { name = '', namespace = '' } = metadata;
    const asked = containers.filter((each) => isAsked(each.name, resource));
    if (asked.length === 0 && resource.container !== undefined) {
      throw new MetricUnavailable(
        `container ${resource.container} not present in metrics for pod ${namespace}/${name}`,
      );
    }
    const amounts = asked.map((each) => each.usage[resource.name]);
    if (amounts.length === 0 || amounts.includes(undefined)) continue;
    const value = amounts.reduce((sum, amount) => sum + milliOf(amount ?? 0), 0);
    const windowMs = parseGoDuration(window) ?? 0;
    usage.set(name, { value, atMs: Date.parse(timestamp), windowMs });
  }
  if (usage.size > 0) return usage;
  throw new MetricUnavailable('no metrics returned from resource metrics API');
}

/** By the pods' names, in thousandths. Throws MetricUnavailable where a container requests nothing of the resource. */
export function requestsOf(
  pods: readonly Pod[],
  resource: MeasuredResource,
): ReadonlyMap<string, number> {
  return new Map(
    pods.map((pod) => {
      const { name = '' } = pod.metadata;
      const beside = (pod.spec?.initContainers ?? []).filter(
        ({ restartPolicy }) => restartPolicy === 'Always',
      );
      const asked = [...(pod.spec?.containers ?? []), ...beside].filter((each) =>
        isAsked(each.name, resource),
      );
      const requests = asked.map((container) => {
        const request = container.resources?.requests?.[resource.name];
        if (request !== undefined) return milliOf(request);
        throw new MetricUnavailable(
          `missing request for ${resource.name} in container ${container.name} of Pod ${name}`,
        );
      });
      return [name, requests.reduce((a, b) => a + b, 0)];
    }),
  );
}

const NANOS_PER_MILLI = 1_000_000n;

/** In thousandths, rounded up, as Kubernetes counts here. */
export function milliOf(amount: string | number): number {
  const { nano } = parseQuantity(amount);
  return Number((nano + NANOS_PER_MILLI - 1n) / NANOS_PER_MILLI);
}

function isAsked(name: string, { container }: MeasuredResource): boolean {
  return container === undefined || container === name;
}
