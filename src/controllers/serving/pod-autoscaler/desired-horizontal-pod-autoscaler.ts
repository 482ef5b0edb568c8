import type { PodAutoscaler } from '#api/autoscaling-v1alpha1/pod-autoscaler.ts';
import {
  parseScaleAnnotations,
  type ScaleAnnotations,
} from '#api/autoscaling-v1alpha1/scale-annotations.ts';
import { HorizontalPodAutoscaler } from '#api/autoscaling-v2/horizontal-pod-autoscaler.ts';
import type { MetricSpec } from '#api/generated/autoscaling-v2.ts';
import { apiVersionOf } from '#api/kind.ts';
import { controllerReference } from '#api/meta/object-meta.ts';
import type { ScaleSettings } from '#autoscaler/scale-settings.ts';
import { placeOf } from '#controllers/serving/ensure-owned.ts';

const UNLIMITED = 2 ** 31 - 1;

/** Kubernetes' own autoscaler for a revision that asks for it (serving specification §3.8). */
export function desiredHorizontalPodAutoscaler(
  autoscaler: PodAutoscaler,
  { minScale, maxScale }: ScaleSettings,
): HorizontalPodAutoscaler {
  const { labels = {}, annotations = {} } = autoscaler.metadata;
  const { apiVersion = '', kind = '', name = '' } = autoscaler.spec.scaleTargetRef;
  const said = parseScaleAnnotations(annotations);
  const metric = wantedMetric(said);
  const rules = { stabilizationWindowSeconds: (said.windowMs ?? 0) / 1_000 };
  return {
    apiVersion: apiVersionOf(HorizontalPodAutoscaler),
    kind: HorizontalPodAutoscaler.kind,
    metadata: {
      ...placeOf(autoscaler.metadata),
      labels,
      annotations,
      ownerReferences: [controllerReference(autoscaler)],
    },
    spec: {
      scaleTargetRef: { apiVersion, kind, name },
      ...(minScale > 0 && { minReplicas: minScale }),
      maxReplicas: maxScale > 0 ? maxScale : UNLIMITED,
      ...(metric && { metrics: [metric] }),
      ...(said.windowMs !== undefined && { behavior: { scaleUp: rules, scaleDown: rules } }),
    },
  };
}

/** Undefined without a target: Kubernetes then wants 80 % of the CPU that is asked for. */
function wantedMetric({ metric = 'cpu', target }: ScaleAnnotations): MetricSpec | undefined {
  if (target === undefined) return undefined;
  if (metric === 'cpu') {
    const wanted = { type: 'Utilization', averageUtilization: Math.ceil(target) };
    return { type: 'Resource', resource: { name: metric, target: wanted } };
  }
  // Upstream cuts off what follows the point here, and Kubernetes takes no 0.
  const amount = Math.max(1, Math.trunc(target));
  if (metric === 'memory') {
    const wanted = { type: 'AverageValue', averageValue: `${amount}Mi` };
    return { type: 'Resource', resource: { name: metric, target: wanted } };
  }
  const wanted = { type: 'AverageValue', averageValue: String(amount) };
  return { type: 'Pods', pods: { metric: { name: metric }, target: wanted } };
}
