import type { HorizontalPodAutoscaler as AutoscalerV1 } from '#api/autoscaling-v1/horizontal-pod-autoscaler.ts';
import type { HorizontalPodAutoscaler } from '#api/autoscaling-v2/horizontal-pod-autoscaler.ts';
import type { ResourceQuota } from '#api/core-v1/resource-quota.ts';
import type { MetricSpec, MetricStatus } from '#api/generated/autoscaling-v2.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import type { PodDisruptionBudget } from '#api/policy-v1/pod-disruption-budget.ts';
import type { PriorityClass } from '#api/scheduling-v1/priority-class.ts';
import {
  ageColumn,
  column,
  createdColumn,
  integerColumn,
  nameColumn,
  type CellsOf,
} from '#apiserver/tables/column.ts';

const TARGETS_SHOWN = 2;
const UNKNOWN = '<unknown>';

export const quotaColumns: CellsOf<ResourceQuota> = [
  nameColumn,
  column('Request', (quota) => usage(quota, (name) => !name.startsWith('limits.'))),
  column('Limit', (quota) => usage(quota, (name) => name.startsWith('limits.'))),
  ageColumn,
];

/** Of kinds whose content fits no cell: LimitRanges, Roles, CustomResourceDefinitions. */
export const createdAtColumns: CellsOf<KubeObject> = [nameColumn, createdColumn];

export const priorityClassColumns: CellsOf<PriorityClass> = [
  nameColumn,
  integerColumn('Value', ({ value }) => value),
  {
    name: 'Global-Default',
    type: 'boolean',
    cell: ({ globalDefault }) => globalDefault ?? false,
  },
  ageColumn,
  column('PreemptionPolicy', ({ preemptionPolicy }) => preemptionPolicy ?? 'PreemptLowerPriority'),
];

export const budgetColumns: CellsOf<PodDisruptionBudget> = [
  nameColumn,
  column('Min Available', ({ spec }) => String(spec?.minAvailable ?? 'N/A')),
  column('Max Unavailable', ({ spec }) => String(spec?.maxUnavailable ?? 'N/A')),
  integerColumn('Allowed Disruptions', ({ status }) => status?.disruptionsAllowed ?? 0),
  ageColumn,
];

export const autoscalerColumns: CellsOf<HorizontalPodAutoscaler> = [
  nameColumn,
  column('Reference', ({ spec }) => referenceOf(spec?.scaleTargetRef)),
  column('Targets', ({ spec, status }) => {
    const metrics = spec?.metrics ?? [];
    const texts = metrics.map((metric, at) => targetText(metric, status?.currentMetrics?.[at]));
    const more = texts.length - TARGETS_SHOWN;
    const shown = texts.slice(0, TARGETS_SHOWN).join(', ');
    return more > 0 ? `${shown} + ${more} more...` : shown || '<none>';
  }),
  column('MinPods', ({ spec }) => String(spec?.minReplicas ?? '<unset>')),
  column('MaxPods', ({ spec }) => spec?.maxReplicas ?? 0),
  column('Replicas', ({ status }) => status?.currentReplicas ?? 0),
  ageColumn,
];

export const autoscalerV1Columns: CellsOf<AutoscalerV1> = [
  nameColumn,
  column('Reference', ({ spec }) => referenceOf(spec?.scaleTargetRef)),
  column('Targets', ({ spec, status }) => {
    const target = spec?.targetCPUUtilizationPercentage;
    const current = status?.currentCPUUtilizationPercentage;
    return `cpu: ${percentText(current)}/${percentText(target)}`;
  }),
  column('MinPods', ({ spec }) => String(spec?.minReplicas ?? '<unset>')),
  column('MaxPods', ({ spec }) => spec?.maxReplicas ?? 0),
  column('Replicas', ({ status }) => status?.currentReplicas ?? 0),
  ageColumn,
];

function usage({ status, spec }: ResourceQuota, isShown: (name: string) => boolean): string {
  return Object.entries(status?.hard ?? spec?.hard ?? {})
    .filter(([name]) => isShown(name))
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, hard]) => `${name}: ${status?.used?.[name] ?? 0}/${hard}`)
    .join(', ');
}

function referenceOf(target: { readonly kind: string; readonly name: string } | undefined): string {
  return target ? `${target.kind}/${target.name}` : '';
}

function targetText(metric: MetricSpec, status: MetricStatus | undefined): string {
  const { resource } = metric;
  if (!resource) return `${UNKNOWN}/${metric.type}`;
  const { averageUtilization, averageValue } = resource.target;
  const current = status?.resource?.current;
  if (averageValue !== undefined) {
    return `${resource.name}: ${current?.averageValue ?? UNKNOWN}/${averageValue}`;
  }
  return `${resource.name}: ${percentText(current?.averageUtilization)}/${percentText(averageUtilization)}`;
}

function percentText(percent: number | undefined): string {
  return percent === undefined ? UNKNOWN : `${percent}%`;
}
