import type { Deployment } from '#api/apps-v1/deployment.ts';
import type { ReplicaSet } from '#api/apps-v1/replica-set.ts';
import type { DaemonSet } from '#api/apps-v1/daemon-set.ts';
import type { StatefulSet } from '#api/apps-v1/stateful-set.ts';
import type { PodTemplate } from '#api/core-v1/pod-template.ts';
import {
  ageColumn,
  column,
  integerColumn,
  labelsText,
  nameColumn,
  wideColumn,
  type CellsOf,
} from '#apiserver/tables/column.ts';
import { containerNames, images, selectorText } from '#apiserver/tables/template-columns.ts';

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
  integerColumn('Desired', ({ spec }) => spec?.replicas ?? 0),
  integerColumn('Current', ({ status }) => status?.replicas ?? 0),
  integerColumn('Ready', ({ status }) => status?.readyReplicas ?? 0),
  ageColumn,
  wideColumn('Containers', ({ spec }) => containerNames(spec?.template)),
  wideColumn('Images', ({ spec }) => images(spec?.template)),
  wideColumn('Selector', ({ spec }) => selectorText(spec?.selector)),
];

export const statefulSetColumns: CellsOf<StatefulSet> = [
  nameColumn,
  column('Ready', ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`),
  ageColumn,
  wideColumn('Containers', ({ spec }) => containerNames(spec?.template)),
  wideColumn('Images', ({ spec }) => images(spec?.template)),
];

export const daemonSetColumns: CellsOf<DaemonSet> = [
  nameColumn,
  integerColumn('Desired', ({ status }) => status?.desiredNumberScheduled ?? 0),
  integerColumn('Current', ({ status }) => status?.currentNumberScheduled ?? 0),
  integerColumn('Ready', ({ status }) => status?.numberReady ?? 0),
  integerColumn('Up-to-date', ({ status }) => status?.updatedNumberScheduled ?? 0),
  integerColumn('Available', ({ status }) => status?.numberAvailable ?? 0),
  column('Node Selector', ({ spec }) => labelsText(spec?.template?.spec?.nodeSelector)),
  ageColumn,
  wideColumn('Containers', ({ spec }) => containerNames(spec?.template)),
  wideColumn('Images', ({ spec }) => images(spec?.template)),
  wideColumn('Selector', ({ spec }) => selectorText(spec?.selector)),
];

export const podTemplateColumns: CellsOf<PodTemplate> = [
  nameColumn,
  column('Containers', ({ template }) => containerNames(template)),
  column('Images', ({ template }) => images(template)),
  column('Pod Labels', ({ template }) => labelsText(template?.metadata?.labels)),
];
