import { compilePattern } from '#base/pattern.ts';
import type { JSONSchemaProps } from '#api/generated/apiextensions-v1.ts';
import type { FieldError } from '#api/kind.ts';
import { forbiddenField, required, wrongValue } from '#api/meta/field-error.ts';

/*
 * A structural schema (Kubernetes' documentation of CustomResourceDefinitions): every value has a type, and what
 * allOf, anyOf, oneOf and not say only restricts values that are specified outside of them.
 */

const TYPES = ['array', 'boolean', 'integer', 'number', 'object', 'string'];
const UNSUPPORTED = [
  '$ref',
  'id',
  'additionalItems',
  'patternProperties',
  'definitions',
  'dependencies',
] as const;
const DEPTH_MAX = 50;

/** What keeps a schema from being structural. Below a wrong place the rest is still looked at. */
export function structuralErrors(schema: JSONSchemaProps, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (!schema.type) errors.push(required(`${path}.type`, 'must not be empty at the root'));
  else if (schema.type !== 'object') {
    errors.push(wrongValue(`${path}.type`, schema.type, 'must be object at the root'));
  }
  if (errors.length > 0) return errors;
  const metadata = schema.properties?.['metadata'];
  if (metadata) errors.push(...metadataErrors(metadata, `${path}.properties[metadata]`));
  return [...errors, ...visit(schema, path, 0)];
}

function metadataErrors(metadata: JSONSchemaProps, path: string): FieldError[] {
  if (metadata.type !== 'object') {
    return [wrongValue(`${path}.type`, metadata.type ?? '', 'must be object')];
  }
  const others = Object.keys(metadata.properties ?? {}).filter(
    (name) => name !== 'name' && name !== 'generateName',
  );
  const why =
    'must not specify anything other than name and generateName, but metadata is implicitly specified';
  return others.length > 0 ? [forbiddenField(path, why)] : [];
}

function visit(schema: JSONSchemaProps, path: string, depth: number): FieldError[] {
  if (depth > DEPTH_MAX) {
    return [wrongValue(path, depth, `schemas may nest at most ${DEPTH_MAX} levels`)];
  }
  const errors = [
    ...ownErrors(schema, path),
    ...listErrors(schema, path),
    ...logicErrors(schema, path),
  ];
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const at = `${path}.properties[${name}]`;
    errors.push(...typeErrors(property, at, 'specified object fields'));
    errors.push(...visit(property, at, depth + 1));
  }
  const additional = asSchema(schema.additionalProperties);
  if (additional) {
    const at = `${path}.additionalProperties`;
    errors.push(...typeErrors(additional, at, 'specified object fields'));
    errors.push(...visit(additional, at, depth + 1));
  }
  const items = asSchema(schema.items);
  if (items) {
    errors.push(...typeErrors(items, `${path}.items`, 'specified array items'));
    errors.push(...visit(items, `${path}.items`, depth + 1));
  }
  return errors;
}

function typeErrors(schema: JSONSchemaProps, path: string, of: string): FieldError[] {
  const mayBeUntyped =
    schema['x-kubernetes-int-or-string'] || schema['x-kubernetes-preserve-unknown-fields'];
  if (schema.type || mayBeUntyped || schema.$ref) return [];
  return [required(`${path}.type`, `must not be empty for ${of}`)];
}

function ownErrors(schema: JSONSchemaProps, path: string): FieldError[] {
  const errors = UNSUPPORTED.filter((field) => schema[field] !== undefined).map((field) =>
    forbiddenField(`${path}.${field}`, `${field} is not supported`),
  );
  const { type } = schema;
  if (type && !TYPES.includes(type)) errors.push(notSupported(`${path}.type`, type, TYPES));
  if (schema.uniqueItems) {
    const why = 'uniqueItems cannot be set to true since the runtime complexity becomes quadratic';
    errors.push(forbiddenField(`${path}.uniqueItems`, why));
  }
  if (type === 'array' && !schema.items)
    errors.push(required(`${path}.items`, 'must be specified'));
  if (Array.isArray(schema.items)) {
    const why = 'items must be a schema object and not an array';
    errors.push(forbiddenField(`${path}.items`, why));
  }
  const hasProperties = Object.keys(schema.properties ?? {}).length > 0;
  if (hasProperties && asSchema(schema.additionalProperties)) {
    const why = 'additionalProperties and properties are mutual exclusive';
    errors.push(forbiddenField(`${path}.additionalProperties`, why));
  }
  if (schema['x-kubernetes-preserve-unknown-fields'] === false) {
    const at = `${path}.x-kubernetes-preserve-unknown-fields`;
    errors.push(wrongValue(at, false, 'must be true or undefined'));
  }
  if (schema['x-kubernetes-embedded-resource']) {
    if (type !== 'object') {
      const why = 'must be object if x-kubernetes-embedded-resource is true';
      errors.push(wrongValue(`${path}.type`, type ?? '', why));
    }
    if (!hasProperties && !schema['x-kubernetes-preserve-unknown-fields']) {
      const why =
        'must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields';
      errors.push(required(`${path}.properties`, why));
    }
  }
  return [...errors, ...patternErrors(schema, path)];
}

function patternErrors({ pattern }: JSONSchemaProps, path: string): FieldError[] {
  if (pattern === undefined) return [];
  try {
    compilePattern(pattern);
    return [];
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const why = `must be a valid regular expression, but isn't: ${error.message}`;
    return [wrongValue(`${path}.pattern`, pattern, why)];
  }
}

function listErrors(schema: JSONSchemaProps, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const type = schema['x-kubernetes-list-type'];
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  const items = asSchema(schema.items);
  const mapType = schema['x-kubernetes-map-type'];
  if (mapType !== undefined && mapType !== 'atomic' && mapType !== 'granular') {
    errors.push(notSupported(`${path}.x-kubernetes-map-type`, mapType, ['atomic', 'granular']));
  }
  if (type === undefined) return errors;
  if (!['atomic', 'set', 'map'].includes(type)) {
    const at = `${path}.x-kubernetes-list-type`;
    return [...errors, notSupported(at, type, ['atomic', 'set', 'map'])];
  }
  if (schema.type !== 'array') {
    const why = 'must be array if x-kubernetes-list-type is specified';
    errors.push(wrongValue(`${path}.type`, schema.type ?? '', why));
  }
  if (type === 'set' && items?.type === 'object' && items['x-kubernetes-map-type'] !== 'atomic') {
    const why = 'must be atomic as item of a list with x-kubernetes-list-type=set';
    const found = items['x-kubernetes-map-type'] ?? null;
    errors.push(wrongValue(`${path}.items.x-kubernetes-map-type`, found, why));
  }
  if (type === 'map') errors.push(...mapKeyErrors(keys, items, path));
  return errors;
}

function mapKeyErrors(
  keys: readonly string[],
  items: JSONSchemaProps | undefined,
  path: string,
): FieldError[] {
  const at = `${path}.x-kubernetes-list-map-keys`;
  if (keys.length === 0) {
    return [required(at, 'must not be empty if x-kubernetes-list-type is map')];
  }
  const errors: FieldError[] = [];
  const properties = items?.properties ?? {};
  if (keys.some((key) => !Object.hasOwn(properties, key))) {
    errors.push(wrongValue(at, keys, 'entries must all be names of item properties'));
  }
  for (const key of keys) {
    const property = Object.hasOwn(properties, key) ? properties[key] : undefined;
    if (!property || property.default !== undefined || items?.required?.includes(key)) continue;
    const why =
      'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property';
    errors.push(required(`${path}.items.properties[${key}].default`, why));
  }
  return errors;
}

function logicErrors(schema: JSONSchemaProps, path: string): FieldError[] {
  const parts: [string, JSONSchemaProps][] = [];
  for (const word of ['allOf', 'anyOf', 'oneOf'] as const) {
    for (const [index, part] of (schema[word] ?? []).entries()) {
      parts.push([`${path}.${word}[${index}]`, part]);
    }
  }
  if (schema.not) parts.push([`${path}.not`, schema.not]);
  const isIntOrString = schema['x-kubernetes-int-or-string'] === true;
  return parts.flatMap(([at, part]) =>
    partErrors(part, at, { outer: schema, path, isIntOrString }),
  );
}

const EMPTY_IN_LOGIC = ['default', 'description', 'nullable', 'title', 'type'] as const;
const FLAGS_IN_LOGIC = [
  'x-kubernetes-embedded-resource',
  'x-kubernetes-int-or-string',
  'x-kubernetes-preserve-unknown-fields',
] as const;

/** Of what stands inside allOf and its like: no types, no texts, and no fields that are unknown outside. */
function partErrors(
  part: JSONSchemaProps,
  at: string,
  about: { outer: JSONSchemaProps | undefined; path: string; isIntOrString: boolean },
): FieldError[] {
  const { outer, path, isIntOrString } = about;
  const errors: FieldError[] = [];
  for (const field of EMPTY_IN_LOGIC) {
    if (part[field] === undefined || (field === 'type' && isIntOrString)) continue;
    const wanted = field === 'default' ? 'undefined' : field === 'nullable' ? 'false' : 'empty';
    errors.push(forbiddenField(`${at}.${field}`, `must be ${wanted} to be structural`));
  }
  for (const field of FLAGS_IN_LOGIC) {
    if (part[field])
      errors.push(forbiddenField(`${at}.${field}`, 'must be false to be structural'));
  }
  for (const [name, property] of Object.entries(part.properties ?? {})) {
    const inner = `${at}.properties[${name}]`;
    const known = outer?.properties?.[name] ?? asSchema(outer?.additionalProperties);
    const here = `${path}.properties[${name}]`;
    if (!known && !outer?.['x-kubernetes-preserve-unknown-fields']) {
      errors.push(required(here, `because it is defined in ${inner}`));
    }
    errors.push(...partErrors(property, inner, { outer: known, path: here, isIntOrString: false }));
  }
  const items = asSchema(part.items);
  if (items) {
    const known = asSchema(outer?.items);
    const here = `${path}.items`;
    errors.push(
      ...partErrors(items, `${at}.items`, { outer: known, path: here, isIntOrString: false }),
    );
  }
  return errors;
}

function asSchema(value: unknown): JSONSchemaProps | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
}

function notSupported(path: string, value: string, supported: readonly string[]): FieldError {
  const list = supported.map((each) => JSON.stringify(each)).join(', ');
  const message = `Unsupported value: ${JSON.stringify(value)}: supported values: ${list}`;
  return { path, message, reason: 'FieldValueNotSupported' };
}
