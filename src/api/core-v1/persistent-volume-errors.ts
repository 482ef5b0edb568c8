import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import {
  accessModeErrors,
  classNameErrors,
  positiveErrors,
  VOLUME_MODES,
} from '#api/core-v1/claim-errors.ts';
import { backstepErrors } from '#api/core-v1/path-errors.ts';
import { nodeTermsErrors } from '#api/core-v1/placement-errors.ts';
import { hostPathErrors, nfsErrors } from '#api/core-v1/volume-errors.ts';
import type { PersistentVolumeSpec } from '#api/generated/core-v1.ts';
import type { FieldError } from '#api/kind.ts';
import { forbiddenField, immutableErrors, required } from '#api/meta/field-error.ts';
import { unsupportedErrors, unsupportedValue } from '#api/meta/value-errors.ts';

const RECLAIM_POLICIES = ['Delete', 'Recycle', 'Retain'];

export function volumeSpecErrors(spec: PersistentVolumeSpec): FieldError[] {
  const { accessModes = [], persistentVolumeReclaimPolicy: policy, volumeMode } = spec;
  const policyPath = 'spec.persistentVolumeReclaimPolicy';
  const root = spec.hostPath !== undefined && path.posix.normalize(spec.hostPath.path) === '/';
  return [
    ...(accessModes.length === 0 ? [required('spec.accessModes')] : []),
    ...accessModeErrors(accessModes, 'spec.accessModes'),
    ...capacityErrors(spec.capacity),
    ...unsupportedErrors(policyPath, policy, RECLAIM_POLICIES),
    ...affinityErrors(spec.nodeAffinity),
    ...sourceErrors(spec),
    ...(root && policy === 'Recycle'
      ? [forbiddenField(policyPath, "may not be 'recycle' for a hostPath mount of '/'")]
      : []),
    ...classNameErrors(spec.storageClassName, 'spec.storageClassName'),
    ...unsupportedErrors('spec.volumeMode', volumeMode, VOLUME_MODES),
  ];
}

function capacityErrors(capacity: PersistentVolumeSpec['capacity']): FieldError[] {
  const at = 'spec.capacity';
  const names = Object.keys(capacity ?? {});
  const isStorage = names.length === 1 && names[0] === 'storage';
  return [
    ...(names.length === 0 ? [required(at)] : []),
    ...(isStorage ? [] : [unsupportedValue(at, capacity ?? null, ['storage'])]),
    ...Object.entries(capacity ?? {}).flatMap(([name, amount]) =>
      positiveErrors(amount, `${at}[${name}]`),
    ),
  ];
}

function affinityErrors(affinity: PersistentVolumeSpec['nodeAffinity']): FieldError[] {
  if (!affinity) return [];
  const at = 'spec.nodeAffinity.required';
  if (!affinity.required) return [required(at, 'must specify required node constraints')];
  return nodeTermsErrors(affinity.required.nodeSelectorTerms, `${at}.nodeSelectorTerms`);
}

type Source = Exclude<keyof PersistentVolumeSpec, keyof typeof NO_SOURCES>;
type Checks = {
  readonly [F in Source]?: (source: NonNullable<PersistentVolumeSpec[F]>) => FieldError[];
};

/** Where the data is: whatever is none of these. */
const NO_SOURCES = {
  accessModes: true,
  capacity: true,
  claimRef: true,
  mountOptions: true,
  nodeAffinity: true,
  persistentVolumeReclaimPolicy: true,
  storageClassName: true,
  volumeAttributesClassName: true,
  volumeMode: true,
} as const;

/** In the order in which Kubernetes looks at them; those it has besides are only counted. */
const checks: Checks = {
  hostPath: (source) => hostPathErrors(source, 'spec.hostPath'),
  nfs: (source) => nfsErrors(source, 'spec.nfs'),
  local: ({ path: value }) =>
    value ? backstepErrors('spec.local.path', value) : [required('spec.local.path')],
  csi: ({ driver, volumeHandle }) => [
    ...(driver ? [] : [required('spec.csi.driver')]),
    ...(volumeHandle ? [] : [required('spec.csi.volumeHandle')]),
  ],
};

function sourceErrors(spec: PersistentVolumeSpec): FieldError[] {
  const order = Object.keys(checks);
  const sources: [string, unknown][] = Object.entries(sourcesOf(spec));
  if (sources.length === 0) return [required('spec', 'must specify a volume type')];
  return sources
    .toSorted(([one], [other]) => order.indexOf(one) - order.indexOf(other))
    .flatMap(([field, source], index) => {
      const at = `spec.${field}`;
      if (index > 0) return [forbiddenField(at, 'may not specify more than 1 volume type')];
      // The field says which check its value is for.
      const check = (checks as Record<string, ((source: unknown) => FieldError[]) | undefined>)[
        field
      ];
      const errors = check?.(source) ?? [];
      if (field !== 'local' || spec.nodeAffinity) return errors;
      return [...errors, required('spec.nodeAffinity', 'Local volume requires node affinity')];
    });
}

function sourcesOf(spec: PersistentVolumeSpec): Partial<PersistentVolumeSpec> {
  const sources = Object.entries(spec).filter(([field]) => !Object.hasOwn(NO_SOURCES, field));
  return Object.fromEntries(sources);
}

/** Where the data is stays; on which nodes may be told once. */
export function volumeChangeErrors(
  spec: PersistentVolumeSpec,
  previous: PersistentVolumeSpec,
): FieldError[] {
  const isSame = isDeepStrictEqual(sourcesOf(spec), sourcesOf(previous));
  const why = 'spec.persistentvolumesource is immutable after creation';
  return [
    ...(isSame ? [] : [forbiddenField('spec.persistentvolumesource', why)]),
    ...immutableErrors('volumeMode', spec.volumeMode, previous.volumeMode),
    ...(previous.nodeAffinity
      ? immutableErrors('nodeAffinity', spec.nodeAffinity, previous.nodeAffinity)
      : []),
  ];
}
