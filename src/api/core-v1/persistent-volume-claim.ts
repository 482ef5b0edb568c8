import type {
  PersistentVolumeClaim as Generated,
  PersistentVolumeClaimSpec,
} from '#api/generated/core-v1.ts';
import { defineCoreKind, type FieldError } from '#api/kind.ts';
import { immutableErrors, required, wrongValue } from '#api/meta/field-error.ts';
import { parseQuantity } from '#api/meta/quantity.ts';
import { unsupportedErrors } from '#api/meta/value-errors.ts';

export const ACCESS_MODES = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'];

export type PersistentVolumeClaim = Generated;
export const PersistentVolumeClaim = defineCoreKind<PersistentVolumeClaim>({
  group: '',
  version: 'v1',
  kind: 'PersistentVolumeClaim',
  plural: 'persistentvolumeclaims',
  scope: 'Namespaced',
  definition: 'io.k8s.api.core.v1.PersistentVolumeClaim',
  shortNames: ['pvc'],
  subresources: ['status'],
  notActedOn:
    'PersistentVolumeClaims are stored, but nothing provisions or binds volumes for them yet',
  default(claim, { operation }) {
    if (claim.spec) claim.spec.volumeMode ??= 'Filesystem';
    if (operation === 'CREATE') claim.status = { phase: 'Pending' };
  },
  validate({ spec }, { previous }) {
    if (!spec) return [required('spec')];
    return [
      ...(spec.accessModes?.length
        ? spec.accessModes.flatMap((mode) =>
            unsupportedErrors('spec.accessModes', mode, ACCESS_MODES),
          )
        : [required('spec.accessModes', 'at least 1 access mode is required')]),
      ...storageErrors(spec),
      ...(previous?.spec
        ? immutableErrors('spec.accessModes', spec.accessModes, previous.spec.accessModes)
        : []),
    ];
  },
});

function storageErrors({ resources }: PersistentVolumeClaimSpec): FieldError[] {
  const storage = resources?.requests?.['storage'];
  if (storage === undefined) return [required('spec.resources[storage]')];
  return parseQuantity(storage).nano > 0n
    ? []
    : [wrongValue('spec.resources[storage]', String(storage), 'must be greater than zero')];
}
