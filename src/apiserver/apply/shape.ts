import { dereference } from '#api/definitions.ts';
import type { Schema } from '#api/schema.ts';

export type Fields = Readonly<Record<string, unknown>>;

/** A schema with where it stands: Kubernetes' own definitions say more about their fields than others. */
export interface Place {
  readonly schema: Schema;
  readonly isCore: boolean;
}

/** How a value is owned: as one, field by field, or element by element. */
export type Shape =
  | { readonly type: 'leaf' }
  | { readonly type: 'map'; readonly fields: Fields }
  | {
      readonly type: 'list';
      readonly items: readonly unknown[];
      /** The step in a path that stands for an element; undefined where it lacks every key. */
      readonly stepOf: (item: unknown) => string | undefined;
    };

const LEAF: Shape = { type: 'leaf' };
const resolved = new WeakMap<Schema, Schema>();

export function shapeOf({ schema }: Place, value: unknown): Shape {
  if (Array.isArray(value)) return listShape(schema, value);
  if (!isFields(value) || schema['x-kubernetes-map-type'] === 'atomic') return LEAF;
  return { type: 'map', fields: value };
}

/** Where a field of an object stands. What no schema knows is owned by what it looks like. */
export function fieldPlace(place: Place, name: string): Place {
  const { properties, additionalProperties } = place.schema;
  if (properties && Object.hasOwn(properties, name)) return inner(place, properties[name]);
  return inner(place, typeof additionalProperties === 'object' ? additionalProperties : undefined);
}

export function itemPlace(place: Place): Place {
  return inner(place, place.schema.items);
}

/** Whether the schema declares the field by its name, rather than letting any name in. */
export function isDeclared({ schema }: Place, name: string): boolean {
  return schema.properties !== undefined && Object.hasOwn(schema.properties, name);
}

/** Whether an object of this schema may have the field at all. */
export function isAllowed(place: Place, name: string): boolean {
  const { schema } = place;
  if (isDeclared(place, name) || schema.additionalProperties) return true;
  return !schema.properties || schema['x-kubernetes-preserve-unknown-fields'] === true;
}

/**
 * Whether the field is there, empty, in every object: in Kubernetes' own kinds a struct or a list that Go never leaves out.
 * Who fills it owns what is in it, not the field.
 */
export function isAlwaysThere({ schema, isCore }: Place, name: string): boolean {
  if (!isCore || !schema.properties || !Object.hasOwn(schema.properties, name)) return false;
  return schema.required?.includes(name) || isFields(schema.properties[name]?.default);
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function inner({ isCore }: Place, schema: Schema | undefined): Place {
  if (!schema) return { schema: {}, isCore: false };
  const isReference = schema.$ref !== undefined || schema.allOf?.[0]?.$ref !== undefined;
  return { schema: resolve(schema), isCore: isCore || isReference };
}

function resolve(schema: Schema): Schema {
  let found = resolved.get(schema);
  if (!found) {
    found = dereference(schema);
    resolved.set(schema, found);
  }
  return found;
}

function listShape(schema: Schema, items: readonly unknown[]): Shape {
  const type = schema['x-kubernetes-list-type'];
  const mergeKey = schema['x-kubernetes-patch-merge-key'];
  // Older definitions say it only with how they are patched.
  const isMerged =
    type === undefined && schema['x-kubernetes-patch-strategy']?.split(',').includes('merge');
  if (type === 'map' || (isMerged && mergeKey !== undefined)) {
    const keys = schema['x-kubernetes-list-map-keys'] ?? (mergeKey === undefined ? [] : [mergeKey]);
    const fields = schema.items ? resolve(schema.items).properties : undefined;
    // Kubernetes' own types leave empty texts out when they are stored: those are no keys.
    const isCore = schema.items?.$ref !== undefined || schema.items?.allOf !== undefined;
    const isAbsent = (value: unknown): boolean =>
      value === undefined || value === null || (isCore && value === '');
    const keyOf = (item: Fields, key: string): unknown =>
      isAbsent(item[key]) ? fields?.[key]?.default : item[key];
    return { type: 'list', items, stepOf: (item) => keyStep(item, keys.toSorted(), keyOf) };
  }
  if (type !== 'set' && !isMerged) return LEAF;
  return { type: 'list', items, stepOf: (item) => `v:${JSON.stringify(item)}` };
}

function keyStep(
  item: unknown,
  keys: readonly string[],
  keyOf: (item: Fields, key: string) => unknown,
): string | undefined {
  if (!isFields(item)) return undefined;
  const values = keys
    .map((key) => [key, keyOf(item, key)] as const)
    .filter(([, value]) => value !== undefined);
  return values.length === 0 ? undefined : `k:${JSON.stringify(Object.fromEntries(values))}`;
}
