import { Metric } from '#api/autoscaling-v1alpha1/metric.ts';
import type { PodAutoscaler } from '#api/autoscaling-v1alpha1/pod-autoscaler.ts';
import { apiVersionOf } from '#api/kind.ts';
import type { ScaleSettings } from '#autoscaler/scale-settings.ts';
import { placeOf } from '#controllers/serving/ensure-owned.ts';

const NANOSECONDS = 1_000_000;

/** What is measured of a revision. The gateway measures all that passes it, and nobody asks the pods. */
export function desiredMetric(
  autoscaler: PodAutoscaler,
  {
    settings,
    privateServiceName,
  }: { readonly settings: ScaleSettings; readonly privateServiceName: string },
): Metric {
  const { labels = {}, annotations = {} } = autoscaler.metadata;
  return {
    apiVersion: apiVersionOf(Metric),
    kind: Metric.kind,
    metadata: { ...placeOf(autoscaler.metadata), labels, annotations },
    spec: {
      stableWindow: settings.stableWindowMs * NANOSECONDS,
      panicWindow: settings.panicWindowMs * NANOSECONDS,
      // As upstream: where all requests pass the activator, its numbers are all there are.
      scrapeTarget: settings.targetBurstCapacity === -1 ? '' : privateServiceName,
    },
  };
}
