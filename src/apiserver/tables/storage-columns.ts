import type { PersistentVolume } from '#api/core-v1/persistent-volume.ts';
import type { PersistentVolumeClaim } from '#api/core-v1/persistent-volume-claim.ts';
import type { StorageClass } from '#api/storage-v1/storage-class.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import {
  ageColumn,
  column,
  nameColumn,
  wideColumn,
  type CellsOf,
} from '#apiserver/tables/column.ts';

const UNSET = '<unset>';
const DEFAULT_CLASS = 'storageclass.kubernetes.io/is-default-class';
const SHORT_MODES: Readonly<Record<string, string>> = {
  ReadWriteOnce: 'RWO',
  ReadOnlyMany: 'ROX',
  ReadWriteMany: 'RWX',
  ReadWriteOncePod: 'RWOP',
};

export const claimColumns: CellsOf<PersistentVolumeClaim> = [
  nameColumn,
  column('Status', (claim) => phaseOf(claim, claim.status?.phase)),
  column('Volume', ({ spec }) => spec?.volumeName ?? ''),
  // What it has, not what it asks for.
  column('Capacity', ({ spec, status }) =>
    spec?.volumeName ? String(status?.capacity?.['storage'] ?? '') : '',
  ),
  column('Access Modes', ({ spec, status }) =>
    spec?.volumeName ? modesText(status?.accessModes) : '',
  ),
  column('StorageClass', ({ spec }) => spec?.storageClassName ?? ''),
  column('VolumeAttributesClass', ({ spec }) => spec?.volumeAttributesClassName ?? UNSET),
  ageColumn,
  wideColumn('VolumeMode', ({ spec }) => spec?.volumeMode ?? UNSET),
];

export const volumeColumns: CellsOf<PersistentVolume> = [
  nameColumn,
  column('Capacity', ({ spec }) => String(spec?.capacity?.['storage'] ?? '')),
  column('Access Modes', ({ spec }) => modesText(spec?.accessModes)),
  column('Reclaim Policy', ({ spec }) => spec?.persistentVolumeReclaimPolicy ?? ''),
  column('Status', (volume) => phaseOf(volume, volume.status?.phase)),
  column('Claim', ({ spec }) =>
    spec?.claimRef ? `${spec.claimRef.namespace ?? ''}/${spec.claimRef.name ?? ''}` : '',
  ),
  column('StorageClass', ({ spec }) => spec?.storageClassName ?? ''),
  column('VolumeAttributesClass', ({ spec }) => spec?.volumeAttributesClassName ?? UNSET),
  column('Reason', ({ status }) => status?.reason ?? ''),
  ageColumn,
  wideColumn('VolumeMode', ({ spec }) => spec?.volumeMode ?? UNSET),
];

export const storageClassColumns: CellsOf<StorageClass> = [
  {
    ...nameColumn,
    cell: ({ metadata }) =>
      metadata.annotations?.[DEFAULT_CLASS] === 'true'
        ? `${metadata.name} (default)`
        : (metadata.name ?? ''),
  },
  column('Provisioner', ({ provisioner }) => provisioner),
  column('ReclaimPolicy', ({ reclaimPolicy }) => reclaimPolicy ?? 'Delete'),
  column('VolumeBindingMode', ({ volumeBindingMode }) => volumeBindingMode ?? 'Immediate'),
  column('AllowVolumeExpansion', ({ allowVolumeExpansion }) => allowVolumeExpansion ?? false),
  ageColumn,
];

function phaseOf({ metadata }: KubeObject, phase: string | undefined): string {
  return metadata.deletionTimestamp === undefined ? (phase ?? '') : 'Terminating';
}

function modesText(modes: readonly string[] | undefined): string {
  return [...new Set(modes)].map((mode) => SHORT_MODES[mode] ?? mode).join(',');
}
