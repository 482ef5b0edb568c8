import { copyJson } from '#base/copy-json.ts';
import { dereference } from '#api/definitions.ts';
import type { FieldError } from '#api/kind.ts';
import { required } from '#api/meta/field-error.ts';
import { messageFields } from '#api/protobuf-fields.ts';
import type { Schema } from '#api/schema.ts';
import { elementPath, fieldPath } from '#apiserver/admission/field-path.ts';
import {
  canonicalForm,
  entryForm,
  type CanonicalForm,
} from '#apiserver/admission/canonical-form.ts';
import { valueErrors } from '#apiserver/admission/schema-value.ts';

/**
 * What a walk over an object by its schema found. The walk prunes unknown fields and fills in defaults in place, as
 * Kubernetes does for structural schemas.
 */
export interface WalkResult {
  readonly errors: FieldError[];
  /** Paths of fields the schema does not have; they are gone from the object. */
  readonly unknown: string[];
  /** Why a value of Kubernetes' own types is none: what its server would not even decode. */
  readonly undecodable: string[];
}

interface Walk extends WalkResult {
  /**
   * Inside Kubernetes' own definitions, whose schemas describe Go structs: what is plain there always has a value, which
   * stands as its `default`, and what Go leaves out of JSON when it is empty is not told from what is absent.
   */
  readonly isCore: boolean;
  /** All of the object is of a kind of Kubernetes' own, whose amounts and times have one form. */
  readonly isDecoded: boolean;
}

type Fields = Record<string, unknown>;

/** `metadata`, `apiVersion` and `kind` are not in a kind's schema: the caller keeps them apart. */
export function walkSchema(schema: Schema, object: Fields, path = ''): WalkResult {
  const result: WalkResult = { errors: [], unknown: [], undecodable: [] };
  visit(schema, object, path, { ...result, isCore: false, isDecoded: isReference(schema) });
  return result;
}

/** A schema followed to its definition. */
interface Resolved {
  readonly schema: Schema;
  /** Of a definition of Kubernetes' own, the fields whose zero Go leaves out of JSON: neither required nor pointers. */
  readonly zeroOmitted: ReadonlySet<string>;
}

/** What a new object of Kubernetes' own has as its status when nobody has told one; undefined for other kinds. */
export function unwrittenStatus(schema: Schema): unknown {
  const unwritten: Fields = {};
  walkSchema(schema, unwritten);
  return unwritten['status'];
}

const NOTHING: ReadonlySet<string> = new Set();
const resolved = new WeakMap<Schema, Resolved>();

function resolve(reference: Schema): Resolved {
  let found = resolved.get(reference);
  if (!found) {
    const schema = dereference(reference);
    const name = reference.$ref ?? reference.allOf?.[0]?.$ref;
    found = { schema, zeroOmitted: name === undefined ? NOTHING : zeroOmittedOf(schema, name) };
    resolved.set(reference, found);
  }
  return found;
}

function zeroOmittedOf({ properties = {}, required = [] }: Schema, name: string): Set<string> {
  const types = new Map(Object.values(messageFields(name) ?? {}));
  const isOmitted = ([field, property]: [string, Schema]): boolean =>
    property.type === 'array' || property.additionalProperties !== undefined
      ? !required.includes(field)
      : ['string', 'bool', 'int', 'double'].includes(types.get(field) ?? '');
  return new Set(
    Object.entries(properties)
      .filter(isOmitted)
      .map(([field]) => field),
  );
}

function isReference(schema: Schema): boolean {
  return schema.$ref !== undefined || (schema.allOf?.length === 1 && !!schema.allOf[0]?.$ref);
}

function visit(reference: Schema, value: unknown, path: string, outer: Walk): void {
  const { schema, zeroOmitted } = resolve(reference);
  const walk = isReference(reference) && !outer.isCore ? { ...outer, isCore: true } : outer;
  const problems = valueErrors(schema, value, path);
  walk.errors.push(...problems);
  // Below a value of the wrong type nothing sensible can be said.
  if (problems.some((problem) => problem.reason === 'FieldValueTypeInvalid')) return;
  if (Array.isArray(value)) visitItems(schema, value, path, walk);
  else if (isObject(value)) visitFields({ schema, zeroOmitted }, value, path, walk);
}

function visitItems(schema: Schema, items: unknown[], path: string, walk: Walk): void {
  const { items: itemSchema } = schema;
  if (!itemSchema) return;
  for (const [index, item] of items.entries()) {
    const value = item === null && walk.isCore ? zeroOf(itemSchema) : item;
    items[index] = inForm(canonicalForm(itemSchema), value, walk);
    visit(itemSchema, items[index], elementPath(path, index), walk);
  }
  if (!walk.isCore) walk.errors.push(...duplicateErrors(schema, items, path));
}

function visitFields(found: Resolved, object: Fields, path: string, walk: Walk): void {
  const { schema, zeroOmitted } = found;
  const { additionalProperties } = schema;
  const properties = propertiesOf(schema);
  const keepsUnknown =
    schema['x-kubernetes-preserve-unknown-fields'] ||
    additionalProperties === true ||
    (!properties && !additionalProperties);
  // Keys alone: of a map with many, the pairs would take as long as all the rest.
  for (const name of Object.keys(object)) {
    const value = object[name];
    const field = properties && Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (field && zeroOmitted.has(name) && isEmpty(value)) {
      delete object[name];
    } else if (field) {
      visitField(field, { object, name, value }, path, walk);
    } else if (typeof additionalProperties === 'object') {
      const given = value === null && walk.isCore ? zeroOf(additionalProperties) : value;
      const inner = inForm(entryForm(additionalProperties), given, walk);
      if (inner !== value) setOwn(object, name, inner);
      if (typeof inner === 'string' && isAnyText(additionalProperties)) continue;
      visit(additionalProperties, inner, fieldPath(path, name), walk);
    } else if (!keepsUnknown) {
      walk.unknown.push(fieldPath(path, name));
      delete object[name];
    }
  }
  if (schema['x-kubernetes-embedded-resource']) walk.errors.push(...embeddedErrors(object, path));
  if (properties) fillDefaults(properties, object, path, walk);
  // Of Kubernetes' own the kind's validation says what is missing.
  if (walk.isCore) return;
  for (const name of schema.required ?? []) {
    if (!Object.hasOwn(object, name)) walk.errors.push(required(fieldPath(path, name)));
  }
}

/** Nothing can be wrong with a text there: of labels and data there may be fifty thousand. */
function isAnyText(schema: Schema): boolean {
  for (const name in schema) if (name !== 'type' && name !== 'default') return false;
  return schema.type === 'string';
}

const EMBEDDED: Readonly<Record<string, Schema>> = {
  apiVersion: { type: 'string' },
  kind: { type: 'string' },
  metadata: { $ref: 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta' },
};

function propertiesOf(schema: Schema): Schema['properties'] {
  if (!schema['x-kubernetes-embedded-resource']) return schema.properties;
  return { ...schema.properties, ...EMBEDDED };
}

/** What is a whole object says which kind it is of. */
function embeddedErrors(object: Fields, path: string): FieldError[] {
  return ['apiVersion', 'kind']
    .filter((name) => !object[name])
    .map((name) => required(fieldPath(path, name)));
}

function visitField(
  schema: Schema,
  field: { object: Fields; name: string; value: unknown },
  path: string,
  walk: Walk,
): void {
  const { object, name, value } = field;
  // A Go client writes null for a field it leaves out; only a nullable one means it.
  const isUnset = value === null && !schema.nullable;
  if (isUnset) {
    delete object[name];
    return;
  }
  object[name] = inForm(canonicalForm(schema), value, walk);
  // A zero is Go's, whatever the words are that a field takes.
  if (walk.isCore && value === '' && schema.default === '') return;
  visit(schema, object[name], fieldPath(path, name), walk);
}

function fillDefaults(
  properties: Readonly<Record<string, Schema>>,
  object: Fields,
  path: string,
  walk: Walk,
): void {
  for (const [name, schema] of Object.entries(properties)) {
    if (schema.default === undefined || Object.hasOwn(object, name)) continue;
    visitField(schema, { object, name, value: copyJson(schema.default) }, path, walk);
  }
}

function isEmpty(value: unknown): boolean {
  if (value === '' || value === 0 || value === false) return true;
  if (Array.isArray(value)) return value.length === 0;
  return isObject(value) && !hasKeys(value);
}

/** Without a list of them all. */
function hasKeys(object: Fields): boolean {
  for (const name in object) if (Object.hasOwn(object, name)) return true;
  return false;
}

/** What Go makes of a null that stands as an item of a list or as a value of a map. */
function zeroOf(reference: Schema): unknown {
  const schema = dereference(reference);
  if (schema.default !== undefined) return copyJson(schema.default);
  switch (schema.type) {
    case 'object':
      return {};
    case 'array':
      return [];
    case 'boolean':
      return false;
    case 'integer':
    case 'number':
      return 0;
    case 'string':
      return '';
    case undefined:
      return canonicalForm(reference)?.isNumeric ? '0' : null;
  }
}

/** Quantities may be sent as numbers and are kept as strings, as Kubernetes' own type does it. */
function inForm(
  form: CanonicalForm | undefined,
  value: unknown,
  { isDecoded, undecodable }: Walk,
): unknown {
  if (!form || (typeof value !== 'number' && typeof value !== 'string')) return value;
  const text = form.isNumeric ? String(value) : value;
  if (!isDecoded || typeof text !== 'string') return text;
  try {
    return form.of(text);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    undecodable.push(error.message);
    return text;
  }
}

function duplicateErrors(schema: Schema, items: readonly unknown[], path: string): FieldError[] {
  const type = schema['x-kubernetes-list-type'];
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  if (type !== 'set' && type !== 'map') return [];
  const seen = new Set<string>();
  const errors: FieldError[] = [];
  for (const [index, item] of items.entries()) {
    const isMap = type === 'map' && isObject(item);
    const identity = isMap ? Object.fromEntries(keys.map((key) => [key, item[key]])) : item;
    const text = JSON.stringify(identity);
    if (seen.has(text)) {
      const message = `Duplicate value: ${text}`;
      errors.push({ path: elementPath(path, index), message, reason: 'FieldValueDuplicate' });
    }
    seen.add(text);
  }
  return errors;
}

/** Also for `__proto__`, which an assignment would take for something else. */
function setOwn(object: Fields, name: string, value: unknown): void {
  Object.defineProperty(object, name, {
    value,
    enumerable: true,
    writable: true,
    configurable: true,
  });
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
