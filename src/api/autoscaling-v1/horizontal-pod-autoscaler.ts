import { HorizontalPodAutoscaler as Stored } from '#api/autoscaling-v2/horizontal-pod-autoscaler.ts';
import type { HorizontalPodAutoscaler as Generated } from '#api/generated/autoscaling-v1.ts';
import type { HorizontalPodAutoscalerSpec, MetricSpec } from '#api/generated/autoscaling-v2.ts';
import { defineCoreKind } from '#api/kind.ts';

/** What v1 has no words for travels in these, so that a client of v1 that writes back what it read loses nothing. */
const METRICS = 'autoscaling.alpha.kubernetes.io/metrics';
const BEHAVIOR = 'autoscaling.alpha.kubernetes.io/behavior';

/** The same objects as v2's, as `kubectl autoscale` of old writes them: one metric, the processor. */
export type HorizontalPodAutoscaler = Generated;
export const HorizontalPodAutoscaler = defineCoreKind<HorizontalPodAutoscaler>({
  group: 'autoscaling',
  version: 'v1',
  kind: 'HorizontalPodAutoscaler',
  plural: 'horizontalpodautoscalers',
  scope: 'Namespaced',
  definition: 'io.k8s.api.autoscaling.v1.HorizontalPodAutoscaler',
  shortNames: ['hpa'],
  categories: ['all'],
  subresources: ['status'],
  storedAs: {
    kind: Stored,
    // The view-store hands in objects of the two kinds named here.
    toStored: (object) => toStored(object as HorizontalPodAutoscaler),
    fromStored: (object) => fromStored(object as Stored),
  },
  default({ spec, metadata }) {
    if (!spec) return;
    spec.minReplicas ??= 1;
    if (!metadata.annotations?.[METRICS]) spec.targetCPUUtilizationPercentage ??= 80;
  },
  validate: (autoscaler, context) => {
    const { operation, username } = context;
    return Stored.validate?.(toStored(autoscaler), { operation, username }) ?? [];
  },
});

function toStored({ spec, status, metadata, kind }: HorizontalPodAutoscaler): Stored {
  const { [METRICS]: metrics, [BEHAVIOR]: behavior, ...annotations } = metadata.annotations ?? {};
  const stored: Stored = { apiVersion: 'autoscaling/v2', kind, metadata: { ...metadata } };
  if (Object.keys(annotations).length > 0) stored.metadata.annotations = annotations;
  else delete stored.metadata.annotations;
  if (spec) {
    const { targetCPUUtilizationPercentage: percent, ...same } = spec;
    const own = percent === undefined ? [] : [cpuMetric(percent)];
    stored.spec = {
      ...same,
      metrics: [...own, ...(parsed<MetricSpec[]>(metrics) ?? [])],
      ...(behavior && {
        behavior: parsed<HorizontalPodAutoscalerSpec['behavior']>(behavior) ?? {},
      }),
    };
  }
  if (status) {
    const { currentCPUUtilizationPercentage: _, ...same } = status;
    stored.status = same;
  }
  return stored;
}

function fromStored({ spec, status, metadata, kind }: Stored): HorizontalPodAutoscaler {
  const view: HorizontalPodAutoscaler = { apiVersion: 'autoscaling/v1', kind, metadata };
  if (spec) {
    const { metrics = [], behavior, ...same } = spec;
    const cpu = metrics.find(isCpuUtilization)?.resource?.target.averageUtilization;
    const others = metrics.filter((metric) => !isCpuUtilization(metric));
    view.spec = { ...same, ...(cpu !== undefined && { targetCPUUtilizationPercentage: cpu }) };
    const annotations = {
      ...metadata.annotations,
      ...(others.length > 0 && { [METRICS]: JSON.stringify(others) }),
      ...(behavior && { [BEHAVIOR]: JSON.stringify(behavior) }),
    };
    if (Object.keys(annotations).length > 0) view.metadata = { ...metadata, annotations };
  }
  if (status) {
    const current = status.currentMetrics?.find(({ resource }) => resource?.name === 'cpu');
    const percent = current?.resource?.current.averageUtilization;
    view.status = {
      currentReplicas: status.currentReplicas ?? 0,
      desiredReplicas: status.desiredReplicas,
      ...(status.lastScaleTime !== undefined && { lastScaleTime: status.lastScaleTime }),
      ...(percent !== undefined && { currentCPUUtilizationPercentage: percent }),
      ...(status.observedGeneration !== undefined && {
        observedGeneration: status.observedGeneration,
      }),
    };
  }
  return view;
}

function cpuMetric(averageUtilization: number): MetricSpec {
  const target = { type: 'Utilization', averageUtilization };
  return { type: 'Resource', resource: { name: 'cpu', target } };
}

function isCpuUtilization({ resource }: MetricSpec): boolean {
  return resource?.name === 'cpu' && resource.target.averageUtilization !== undefined;
}

/** The annotations are anybody's to write: what is no JSON is as good as not there. */
function parsed<T>(text: string | undefined): T | undefined {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as T;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
