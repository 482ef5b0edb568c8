import type { Deployment } from '#api/apps-v1/deployment.ts';
import type { ReplicaSet } from '#api/apps-v1/replica-set.ts';
import type { PodTemplateSpec } from '#api/generated/core-v1.ts';
import type { LabelSelector } from '#api/meta/selector.ts';
import {
  ageColumn,
  column,
  nameColumn,
  orNone,
  wideColumn,
  type CellsOf,
} from '#apiserver/tables/column.ts';

export const deploymentColumns: CellsOf<Deployment> = [
  nameColumn,
  column('Ready', ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`),
  column('Up-to-date', ({ status }) => status?.updatedReplicas ?? 0),
  column('Available', ({ status }) => status?.availableReplicas ?? 0),
  ageColumn,
  wideColumn('Containers', ({ spec }) => containerNames(spec?.template)),
  wideColumn('Images', ({ spec }) => images(spec?.template)),
  wideColumn('Selector', ({ spec }) => selectorText(spec?.selector)),
];

export const replicaSetColumns: CellsOf<ReplicaSet> = [
  nameColumn,
  column('Desired', ({ spec }) => spec?.replicas ?? 0),
  column('Current', ({ status }) => status?.replicas ?? 0),
  column('Ready', ({ status }) => status?.readyReplicas ?? 0),
  ageColumn,
  wideColumn('Containers', ({ spec }) => containerNames(spec?.template)),
  wideColumn('Images', ({ spec }) => images(spec?.template)),
  wideColumn('Selector', ({ spec }) => selectorText(spec?.selector)),
];

function containerNames(template: PodTemplateSpec | undefined): string {
  return (template?.spec?.containers ?? []).map(({ name }) => name).join(',');
}

function images(template: PodTemplateSpec | undefined): string {
  return (template?.spec?.containers ?? []).map(({ image }) => image ?? '').join(',');
}

function selectorText(selector: LabelSelector | undefined): string {
  const labels = Object.entries(selector?.matchLabels ?? {}).map((pair) => pair.join('='));
  const expressions = (selector?.matchExpressions ?? []).map(({ key, operator, values }) => {
    if (operator === 'Exists') return key;
    if (operator === 'DoesNotExist') return `!${key}`;
    return `${key} ${operator.toLowerCase()} (${(values ?? []).join(',')})`;
  });
  return orNone([...labels, ...expressions].join(','));
}
