import { ACCESS_MODES } from '#api/core-v1/persistent-volume-claim.ts';
import type {
  PersistentVolume as Generated,
  PersistentVolumeSpec,
} from '#api/generated/core-v1.ts';
import { defineCoreKind } from '#api/kind.ts';
import { required } from '#api/meta/field-error.ts';
import { unsupportedErrors } from '#api/meta/value-errors.ts';

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
  notActedOn: 'PersistentVolumes are stored, but nothing binds or mounts them yet',
  default(volume, { operation }) {
    if (volume.spec) {
      volume.spec.persistentVolumeReclaimPolicy ??= 'Retain';
      volume.spec.volumeMode ??= 'Filesystem';
      if (volume.spec.hostPath) volume.spec.hostPath.type ??= '';
    }
    if (operation === 'CREATE') volume.status = { phase: 'Pending' };
  },
  validate({ spec = {} }) {
    return [
      ...(spec.accessModes?.length
        ? spec.accessModes.flatMap((mode) =>
            unsupportedErrors('spec.accessModes', mode, ACCESS_MODES),
          )
        : [required('spec.accessModes')]),
      ...(spec.capacity?.['storage'] === undefined ? [required('spec.capacity')] : []),
      ...unsupportedErrors(
        'spec.persistentVolumeReclaimPolicy',
        spec.persistentVolumeReclaimPolicy,
        ['Delete', 'Recycle', 'Retain'],
      ),
      ...(hasSource(spec) ? [] : [required('spec', 'must specify a volume type')]),
    ];
  },
});

/** Where the data is: whatever is neither of these. */
const NO_SOURCES: ReadonlySet<string> = new Set([
  'accessModes',
  'capacity',
  'claimRef',
  'mountOptions',
  'nodeAffinity',
  'persistentVolumeReclaimPolicy',
  'storageClassName',
  'volumeAttributesClassName',
  'volumeMode',
]);

function hasSource(spec: PersistentVolumeSpec): boolean {
  return Object.keys(spec).some((field) => !NO_SOURCES.has(field));
}
