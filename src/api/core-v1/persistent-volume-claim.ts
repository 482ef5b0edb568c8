import type {
  PersistentVolumeClaim as Generated,
  PersistentVolumeClaimSpec,
} from '#api/generated/core-v1.ts';
import { defineCoreKind, type FieldError } from '#api/kind.ts';
import { immutableErrors, required, wrongValue } from '#api/meta/field-error.ts';
import { parseQuantity, renderQuantity } from '#api/meta/quantity.ts';
import { selectorErrors } from '#api/meta/selector-errors.ts';
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
    return [
      ...claimSpecErrors(spec, 'spec'),
      ...(spec && previous?.spec
        ? immutableErrors('spec.accessModes', spec.accessModes, previous.spec.accessModes)
        : []),
    ];
  },
});

/** What is wrong with a claim's spec, or with one that claims are made from; `at` is its path. */
export function claimSpecErrors(
  spec: PersistentVolumeClaimSpec | undefined,
  at: string,
): FieldError[] {
  const { accessModes = [], resources, selector, volumeMode } = spec ?? {};
  const path = `${at}.accessModes`;
  return [
    ...(accessModes.length === 0
      ? [required(path, 'at least 1 access mode is required')]
      : accessModes.flatMap((mode) => unsupportedErrors(path, mode, ACCESS_MODES))),
    ...selectorErrors(selector, `${at}.selector`),
    ...storageErrors(resources?.requests?.['storage'], `${at}.resources[storage]`),
    ...unsupportedErrors(`${at}.volumeMode`, volumeMode, ['Block', 'Filesystem']),
  ];
}

function storageErrors(storage: string | number | undefined, path: string): FieldError[] {
  if (storage === undefined) return [required(path)];
  const amount = parseQuantity(storage);
  if (amount.nano > 0n) return [];
  return [wrongValue(path, renderQuantity(amount), 'must be greater than zero')];
}
