import { volumeChangeErrors, volumeSpecErrors } from '#api/core-v1/persistent-volume-errors.ts';
import type { PersistentVolume as Generated } from '#api/generated/core-v1.ts';
import { defineCoreKind } from '#api/kind.ts';

export type PersistentVolume = Generated;
export const PersistentVolume = defineCoreKind<PersistentVolume>({
  group: '',
  version: 'v1',
  kind: 'PersistentVolume',
  plural: 'persistentvolumes',
  scope: 'Cluster',
  definition: 'io.k8s.api.core.v1.PersistentVolume',
  shortNames: ['pv'],
  subresources: ['status'],
  default({ metadata, spec, status }, { operation }) {
    if (spec) {
      spec.persistentVolumeReclaimPolicy ??= 'Retain';
      spec.volumeMode ??= 'Filesystem';
      if (spec.hostPath) spec.hostPath.type ??= '';
    }
    if (operation !== 'CREATE' || !status) return;
    status.phase = 'Pending';
    if (metadata.creationTimestamp) status.lastPhaseTransitionTime = metadata.creationTimestamp;
  },
  validate(volume, { previous }) {
    return [
      ...volumeSpecErrors(volume.spec ?? {}),
      ...(previous ? volumeChangeErrors(volume.spec ?? {}, previous.spec ?? {}) : []),
    ];
  },
});
