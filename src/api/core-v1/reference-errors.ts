import type { EnvVarSource } from '#api/generated/core-v1.ts';
import type { FieldError } from '#api/kind.ts';
import { required, wrongValue } from '#api/meta/field-error.ts';
import { configKey, nameErrors, qualifiedName, subdomain } from '#api/meta/name-errors.ts';
import { parseQuantity } from '#api/meta/quantity.ts';
import { unsupportedErrors } from '#api/meta/value-errors.ts';

/*
 * What a pod says of itself and of its neighbours: fields of its own, its containers' resources, keys of ConfigMaps and
 * Secrets. Variables take some, files others.
 */

type FieldRef = NonNullable<EnvVarSource['fieldRef']>;
type ResourceRef = NonNullable<EnvVarSource['resourceFieldRef']>;
type KeyRef = NonNullable<EnvVarSource['configMapKeyRef']>;

/** The fields of a pod that Kubernetes has names for in fieldRefs. */
const NAMED: ReadonlySet<string> = new Set([
  'metadata.annotations',
  'metadata.labels',
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.restartPolicy',
  'spec.schedulerName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.phase',
  'status.podIP',
  'status.podIPs',
]);
export const VARIABLE_FIELDS = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
];
export const FILE_FIELDS = [
  'metadata.annotations',
  'metadata.labels',
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
];
const RESOURCES = ['limits', 'requests'].flatMap((part) =>
  ['cpu', 'ephemeral-storage', 'memory'].map((name) => `${part}.${name}`),
);
const SIZES = ['1', '1k', '1M', '1G', '1T', '1P', '1E', '1Ki', '1Mi', '1Gi', '1Ti', '1Pi', '1Ei'];

export function fieldRefErrors(
  { apiVersion, fieldPath }: FieldRef,
  path: string,
  supported: readonly string[],
): FieldError[] {
  if (!fieldPath) return [required(`${path}.fieldPath`)];
  if (apiVersion !== 'v1') {
    const why = `error converting fieldPath: unsupported pod version: ${apiVersion}`;
    return [wrongValue(`${path}.fieldPath`, fieldPath, why)];
  }
  const parts = /^(?<field>[^[]*)\['(?<key>.*)'\]$/.exec(fieldPath)?.groups;
  const { field = fieldPath, key } = parts ?? {};
  const hasKeys = field === 'metadata.annotations' || field === 'metadata.labels';
  if (!NAMED.has(field) || (key !== undefined && !hasKeys)) {
    const why = `error converting fieldPath: field label not supported: ${fieldPath}`;
    return [wrongValue(`${path}.fieldPath`, fieldPath, why)];
  }
  if (key === undefined) return unsupportedErrors(`${path}.fieldPath`, field, supported);
  const name = field === 'metadata.annotations' ? key.toLowerCase() : key;
  return nameErrors(qualifiedName, path, name);
}

export function resourceRefErrors({ resource, divisor }: ResourceRef, path: string): FieldError[] {
  if (!resource) return [required(`${path}.resource`)];
  const isHuge = /^(?:limits|requests)\.hugepages-/.test(resource);
  const errors = isHuge ? [] : unsupportedErrors(`${path}.resource`, resource, RESOURCES);
  return [...errors, ...divisorErrors(resource, divisor ?? '0', path)];
}

function divisorErrors(resource: string, divisor: string | number, path: string): FieldError[] {
  const { nano } = parseQuantity(divisor);
  const isOneOf = (texts: readonly string[]): boolean =>
    texts.some((text) => parseQuantity(text).nano === nano);
  const isCpu = resource.endsWith('.cpu');
  if (nano === 0n || isOneOf(isCpu ? ['1m', '1'] : SIZES)) return [];
  const kind = resource.endsWith('.ephemeral-storage') ? 'local ephemeral storage' : 'memory';
  const why = isCpu
    ? "only divisor's values 1m and 1 are supported with the cpu resource"
    : `only divisor's values ${SIZES.join(', ')} are supported with the ${kind} resource`;
  return [wrongValue(`${path}.divisor`, resource, why)];
}

export function keyRefErrors({ name = '', key }: KeyRef, path: string): FieldError[] {
  return [
    ...nameErrors(subdomain, `${path}.name`, name),
    ...(key ? nameErrors(configKey, `${path}.key`, key) : [required(`${path}.key`)]),
  ];
}
