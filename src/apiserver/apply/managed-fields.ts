import type { KubeObject } from '#api/meta/object-meta.ts';
import { parseFieldSet, union, type FieldSet } from '#apiserver/apply/field-set.ts';

/** Who wrote what: one entry of `metadata.managedFields`. */
export interface Owner {
  readonly manager: string;
  readonly operation: 'Apply' | 'Update';
  readonly apiVersion: string;
  readonly subresource: string | undefined;
  readonly time: string | undefined;
  readonly fields: FieldSet | undefined;
}

/** Kubernetes' limit on owners by Update; the oldest beyond it become one of this name. */
const UPDATERS_MAX = 10;
const ANCIENT = 'ancient-changes';

/** Undefined where it is not what Kubernetes writes: such a list is as good as none. */
export function parseManagedFields(value: unknown): readonly Owner[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const owners = value.map((entry) => ownerOf(entry, parseFieldSet));
  return owners.every((owner) => owner !== undefined) ? owners : undefined;
}

/** Of an object as it is stored: what was checked when it was written is not checked at every write after it. */
export function storedOwners(object: KubeObject | undefined): readonly Owner[] {
  const owners = object?.metadata.managedFields?.map((entry) =>
    ownerOf(entry, (fields) => fields as FieldSet),
  );
  return owners?.filter((owner) => owner !== undefined) ?? [];
}

/** As they are stored: those without fields left out, in Kubernetes' order. */
export function renderManagedFields(owners: readonly Owner[]): Record<string, unknown>[] {
  return capped(owners.filter(({ fields }) => fields !== undefined))
    .toSorted(byOrder)
    .map(({ manager, operation, apiVersion, time, fields, subresource }) => ({
      manager,
      operation,
      apiVersion,
      ...(time !== undefined && { time }),
      fieldsType: 'FieldsV1',
      fieldsV1: fields,
      ...(subresource !== undefined && { subresource }),
    }));
}

/** Who applies is the same in every version; who updates is another owner in each. */
export function isSameOwner(one: Owner, other: Owner): boolean {
  return (
    one.manager === other.manager &&
    one.operation === other.operation &&
    one.subresource === other.subresource &&
    (one.operation === 'Apply' || one.apiVersion === other.apiVersion)
  );
}

function ownerOf(
  value: unknown,
  parseFields: (fields: unknown) => FieldSet | undefined,
): Owner | undefined {
  const { manager, operation, apiVersion, subresource, time, fieldsType, fieldsV1 } = (value ??
    {}) as Readonly<Record<string, unknown>>;
  if (operation !== 'Apply' && operation !== 'Update') return undefined;
  if (typeof apiVersion !== 'string' || apiVersion === '' || fieldsType !== 'FieldsV1') {
    return undefined;
  }
  return {
    manager: typeof manager === 'string' ? manager : '',
    operation,
    apiVersion,
    subresource: typeof subresource === 'string' && subresource !== '' ? subresource : undefined,
    time: typeof time === 'string' ? time : undefined,
    fields: parseFields(fieldsV1),
  };
}

function capped(owners: readonly Owner[]): readonly Owner[] {
  const updaters = owners.filter(({ operation }) => operation === 'Update');
  if (updaters.length <= UPDATERS_MAX) return owners;
  const oldest = updaters
    .toSorted((one, other) => compareText(one.time ?? '', other.time ?? ''))
    .slice(0, updaters.length - UPDATERS_MAX + 1);
  const buckets = Map.groupBy(oldest, ({ apiVersion }) => apiVersion);
  const merged = Array.from(buckets, ([apiVersion, group]): Owner => ({
    manager: ANCIENT,
    operation: 'Update',
    apiVersion,
    subresource: undefined,
    time: group.at(-1)?.time,
    fields: group.map(({ fields }) => fields).reduce(union),
  }));
  return [...owners.filter((owner) => !oldest.includes(owner)), ...merged];
}

function byOrder(one: Owner, other: Owner): number {
  return (
    compareText(one.operation, other.operation) ||
    compareText(one.time ?? '', other.time ?? '') ||
    compareText(one.manager, other.manager) ||
    compareText(one.apiVersion, other.apiVersion) ||
    compareText(one.subresource ?? '', other.subresource ?? '')
  );
}

function compareText(one: string, other: string): number {
  return one < other ? -1 : Number(one > other);
}
