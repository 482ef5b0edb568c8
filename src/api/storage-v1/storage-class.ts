import type { StorageClass as Generated } from '#api/generated/storage-v1.ts';
import { defineCoreKind } from '#api/kind.ts';
import { immutableErrors, required } from '#api/meta/field-error.ts';
import { unsupportedErrors } from '#api/meta/value-errors.ts';

export type StorageClass = Generated;
export const StorageClass = defineCoreKind<StorageClass>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'StorageClass',
  plural: 'storageclasses',
  scope: 'Cluster',
  definition: 'io.k8s.api.storage.v1.StorageClass',
  shortNames: ['sc'],
  notActedOn: 'StorageClasses are stored, but nothing provisions volumes by them yet',
  default(storageClass) {
    storageClass.reclaimPolicy ??= 'Delete';
    storageClass.volumeBindingMode ??= 'Immediate';
  },
  validate(storageClass, { previous }) {
    const { provisioner, reclaimPolicy, volumeBindingMode, parameters } = storageClass;
    return [
      ...(provisioner ? [] : [required('provisioner')]),
      ...unsupportedErrors('reclaimPolicy', reclaimPolicy, ['Delete', 'Retain']),
      ...unsupportedErrors('volumeBindingMode', volumeBindingMode, [
        'Immediate',
        'WaitForFirstConsumer',
      ]),
      ...(previous
        ? [
            ...immutableErrors('provisioner', provisioner, previous.provisioner),
            ...immutableErrors('parameters', parameters, previous.parameters),
            ...immutableErrors('reclaimPolicy', reclaimPolicy, previous.reclaimPolicy),
          ]
        : []),
    ];
  },
});
