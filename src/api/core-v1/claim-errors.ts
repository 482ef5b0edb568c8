import { isDeepStrictEqual } from 'node:util';
import type {
  PersistentVolumeClaim,
  PersistentVolumeClaimSpec,
  TypedObjectReference,
} from '#api/generated/core-v1.ts';
import type { FieldError } from '#api/kind.ts';
import { forbiddenField, immutableErrors, required, wrongValue } from '#api/meta/field-error.ts';
import { dnsLabel, nameErrors, subdomain } from '#api/meta/name-errors.ts';
import { parseQuantity, renderQuantity } from '#api/meta/quantity.ts';
import { selectorErrors } from '#api/meta/selector-errors.ts';
import { unsupportedErrors } from '#api/meta/value-errors.ts';

const ACCESS_MODES = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'];
export const VOLUME_MODES = ['Block', 'Filesystem'];

/** What is wrong with a claim's spec, or with one that claims are made from; `at` is its path. */
export function claimSpecErrors(
  spec: PersistentVolumeClaimSpec | undefined,
  at: string,
): FieldError[] {
  const { accessModes = [], resources, selector, volumeMode, storageClassName } = spec ?? {};
  const modes = `${at}.accessModes`;
  return [
    ...(accessModes.length === 0 ? [required(modes, 'at least 1 access mode is required')] : []),
    ...selectorErrors(selector, `${at}.selector`),
    ...accessModeErrors(accessModes, modes),
    ...storageErrors(resources?.requests?.['storage'], `${at}.resources[storage]`),
    ...classNameErrors(storageClassName, `${at}.storageClassName`),
    ...unsupportedErrors(`${at}.volumeMode`, volumeMode, VOLUME_MODES),
    ...sourceErrors(spec?.dataSource, `${at}.dataSource`),
    ...sourceErrors(spec?.dataSourceRef, `${at}.dataSourceRef`),
    ...sourcesErrors(spec ?? {}, at),
  ];
}

/** Who has a volume to itself does not share it in other ways. */
export function accessModeErrors(modes: readonly string[], path: string): FieldError[] {
  const errors = modes.flatMap((mode) => unsupportedErrors(path, mode, ACCESS_MODES));
  const isAlone = modes.includes('ReadWriteOncePod');
  const others = modes.filter((mode) => mode !== 'ReadWriteOncePod' && ACCESS_MODES.includes(mode));
  if (!isAlone || others.length === 0) return errors;
  return [...errors, forbiddenField(path, 'may not use ReadWriteOncePod with other access modes')];
}

export function classNameErrors(name: string | undefined, path: string): FieldError[] {
  return name ? nameErrors(subdomain, path, name) : [];
}

/** Of an amount there must be something of. */
export function positiveErrors(amount: string | number, path: string): FieldError[] {
  const quantity = parseQuantity(amount);
  if (quantity.nano > 0n) return [];
  return [wrongValue(path, renderQuantity(quantity), 'must be greater than zero')];
}

function storageErrors(storage: string | number | undefined, path: string): FieldError[] {
  return storage === undefined ? [required(path)] : positiveErrors(storage, path);
}

/** What a volume begins with: another claim, a snapshot, or what somebody else knows. */
function sourceErrors(source: TypedObjectReference | undefined, at: string): FieldError[] {
  if (!source) return [];
  const { apiGroup, kind, name, namespace } = source;
  const isOurs = apiGroup || kind === 'PersistentVolumeClaim';
  const why = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
  return [
    ...(name ? [] : [required(`${at}.name`)]),
    ...(kind ? [] : [required(`${at}.kind`)]),
    ...(isOurs ? [] : [wrongValue(at, kind, why)]),
    ...(apiGroup ? nameErrors(subdomain, `${at}.apiGroup`, apiGroup) : []),
    ...(namespace ? nameErrors(dnsLabel, `${at}.namespace`, namespace) : []),
  ];
}

function sourcesErrors(spec: PersistentVolumeClaimSpec, at: string): FieldError[] {
  const { dataSource: older, dataSourceRef: newer } = spec;
  if (!older || !newer) return [];
  const isSame =
    older.name === newer.name &&
    older.kind === newer.kind &&
    (older.apiGroup ?? '') === (newer.apiGroup ?? '');
  if (isSame && !newer.namespace) return [];
  const why = newer.namespace
    ? 'may not be specified when dataSourceRef.namespace is specified'
    : 'must match dataSourceRef';
  return [wrongValue(at, `${at}.dataSource`, why)];
}

const CHANGE_TEXT =
  'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims';

/** A claim gets its volume and its class once; one that is bound may ask for more. */
export function claimChangeErrors(
  claim: PersistentVolumeClaim,
  previous: PersistentVolumeClaim,
): FieldError[] {
  if (!claim.spec || !previous.spec) return [];
  const isSame = isDeepStrictEqual(fixedPart(claim, previous), fixedPart(previous, previous));
  return [
    ...(isSame ? [] : [forbiddenField('spec', CHANGE_TEXT)]),
    ...shrinkErrors(claim, previous),
    ...immutableErrors('volumeMode', claim.spec.volumeMode, previous.spec.volumeMode),
  ];
}

function fixedPart(
  { spec = {} }: PersistentVolumeClaim,
  previous: PersistentVolumeClaim,
): PersistentVolumeClaimSpec {
  const { volumeName, storageClassName, resources, volumeAttributesClassName, ...fixed } = spec;
  const isBound = previous.status?.phase === 'Bound';
  const { requests: _, ...limits } = resources ?? {};
  return {
    ...fixed,
    resources: isBound ? limits : (resources ?? {}),
    ...(previous.spec?.volumeName && { volumeName: volumeName ?? '' }),
    ...(previous.spec?.storageClassName !== undefined && {
      storageClassName: storageClassName ?? '',
    }),
    ...(!isBound && volumeAttributesClassName !== undefined && { volumeAttributesClassName }),
  };
}

/** Back to what it has, where giving it more has failed, but not below. */
function shrinkErrors(claim: PersistentVolumeClaim, previous: PersistentVolumeClaim): FieldError[] {
  const asked = nanoOf(claim.spec?.resources?.requests?.['storage']);
  if (asked >= nanoOf(previous.spec?.resources?.requests?.['storage'])) return [];
  if (asked > nanoOf(previous.status?.capacity?.['storage'])) return [];
  const why = 'field can not be less than status.capacity';
  return [forbiddenField('spec.resources.requests.storage', why)];
}

function nanoOf(amount: string | number | undefined): bigint {
  return parseQuantity(amount ?? 0).nano;
}
