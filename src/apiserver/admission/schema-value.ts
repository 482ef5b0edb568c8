import { isDeepStrictEqual } from 'node:util';
import type { FieldError } from '#api/kind.ts';
import type { Schema } from '#api/schema.ts';
import { hasFormat, patternOf } from '#apiserver/admission/string-format.ts';
import { fieldPath, quoted } from '#apiserver/admission/field-path.ts';

/** What is wrong with one value by its own schema; what is inside it is not looked at, but by allOf, anyOf and so on. */
export function valueErrors(schema: Schema, value: unknown, path: string): FieldError[] {
  const expected = expectedType(schema);
  const type = typeOf(value);
  if (value === null && schema.nullable) return [];
  const isNumber = type === 'integer' && expected?.includes('number');
  if (expected && !isNumber && !expected.includes(type)) {
    const message = `Invalid value: ${quoted(type)}: ${path} in body must be of type ${expected.join(',')}: ${quoted(type)}`;
    return [{ path, message, reason: 'FieldValueTypeInvalid' }];
  }
  if (schema.enum && !schema.enum.some((each) => isDeepStrictEqual(each, value))) {
    const supported = schema.enum.map(quoted).join(', ');
    const message = `Unsupported value: ${quoted(value)}: supported values: ${supported}`;
    return [{ path, message, reason: 'FieldValueNotSupported' }];
  }
  const tooMuch = tooMuchError(schema, value, path);
  if (tooMuch) return [tooMuch];
  if (typeof value === 'string' && !hasFormat(value, schema.format)) {
    const text = `${path} in body must be of type ${schema.format}: ${quoted(value)}`;
    const message = `Invalid value: ${quoted(value)}: ${text}`;
    return [{ path, message, reason: 'FieldValueTypeInvalid' }];
  }
  const complaints = [
    ...(typeof value === 'string' ? stringComplaints(schema, value) : []),
    ...(typeof value === 'number' ? numberComplaints(schema, value) : []),
    ...sizeComplaints(schema, value),
  ];
  return [
    ...complaints.map((complaint) => ({
      path,
      message: `Invalid value: ${sizeOf(value) ?? quoted(value)}: ${path} in body ${complaint}`,
    })),
    ...combinationErrors(schema, value, path),
  ];
}

function expectedType(schema: Schema): readonly string[] | undefined {
  if (schema['x-kubernetes-int-or-string'] || schema.format === 'int-or-string') {
    return ['integer', 'string'];
  }
  const options = schema.oneOf?.map((option) => option.type);
  // Kubernetes' own unions of plain types: a Quantity, an int-or-string.
  if (!schema.type && options?.every((type) => type === 'string' || type === 'number')) {
    return ['string', 'number'];
  }
  if (schema.type === 'number') return ['number'];
  return schema.type ? [schema.type] : undefined;
}

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}

function stringComplaints(schema: Schema, value: string): string[] {
  const complaints: string[] = [];
  if (schema.minLength !== undefined && lengthOf(value) < schema.minLength) {
    complaints.push(`should be at least ${schema.minLength} chars long`);
  }
  if (schema.pattern !== undefined && !patternOf(schema.pattern).test(value)) {
    complaints.push(`should match '${schema.pattern}'`);
  }
  return complaints;
}

const INTEGER_BITS: Readonly<Record<string, number>> = { int32: 31, int64: 63 };

function numberComplaints(schema: Schema, value: number): string[] {
  const complaints: string[] = [];
  const bits = INTEGER_BITS[schema.format ?? ''];
  if (bits !== undefined && (value < -(2 ** bits) || value >= 2 ** bits)) {
    complaints.push(`must be of type ${schema.format}`);
  }
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema;
  if (minimum !== undefined && (exclusiveMinimum ? value <= minimum : value < minimum)) {
    complaints.push(`should be greater than ${exclusiveMinimum ? '' : 'or equal to '}${minimum}`);
  }
  if (maximum !== undefined && (exclusiveMaximum ? value >= maximum : value > maximum)) {
    complaints.push(`should be less than ${exclusiveMaximum ? '' : 'or equal to '}${maximum}`);
  }
  if (multipleOf !== undefined && !Number.isInteger(value / multipleOf)) {
    complaints.push(`should be a multiple of ${multipleOf}`);
  }
  return complaints;
}

function sizeComplaints(schema: Schema, value: unknown): string[] {
  const [least, what] = Array.isArray(value)
    ? [schema.minItems, 'items']
    : [schema.minProperties, 'properties'];
  if (least === undefined) return [];
  return (sizeOf(value) ?? Infinity) < least ? [`should have at least ${least} ${what}`] : [];
}

/** Of what is larger than its schema allows nothing more is said: it might be very large. */
function tooMuchError(schema: Schema, value: unknown, path: string): FieldError | undefined {
  const { maxLength, maxItems, maxProperties } = schema;
  if (typeof value === 'string' && maxLength !== undefined && lengthOf(value) > maxLength) {
    const message = `Too long: may not be more than ${maxLength} bytes`;
    return { path, message, reason: 'FieldValueTooLong' };
  }
  const most = Array.isArray(value) ? maxItems : maxProperties;
  if (most === undefined) return undefined;
  const size = sizeOf(value);
  if (size === undefined || size <= most) return undefined;
  const message = `Too many: ${size}: must have at most ${most} items`;
  return { path, message, reason: 'FieldValueTooMany' };
}

/** Of arrays and objects. */
function sizeOf(value: unknown): number | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  return Array.isArray(value) ? value.length : Object.keys(value).length;
}

/** In code points. */
function lengthOf(text: string): number {
  let length = 0;
  for (const _ of text) length += 1;
  return length;
}

/** Inside allOf, anyOf, oneOf and not a structural schema only restricts values: nothing there defaults or prunes. */
function combinationErrors(schema: Schema, value: unknown, path: string): FieldError[] {
  const allOf = schema.allOf ?? [];
  const errors = allOf.flatMap((part) => deepErrors(part, value, path));
  const isUnionOfTypes = schema.oneOf?.every((option) => Object.keys(option).join() === 'type');
  const complain = (text: string): void => {
    errors.push({ path, message: `Invalid value: ${quoted(value)}: ${path} in body ${text}` });
  };
  const passes = (part: Schema): boolean => deepErrors(part, value, path).length === 0;
  if (schema.anyOf && !schema.anyOf.some(passes))
    complain('must validate at least one schema (anyOf)');
  if (schema.oneOf && !isUnionOfTypes && schema.oneOf.filter(passes).length !== 1) {
    complain('must validate one and only one schema (oneOf)');
  }
  if (schema.not && passes(schema.not)) complain('must not validate the schema (not)');
  return errors;
}

function deepErrors(schema: Schema, value: unknown, path: string): FieldError[] {
  const errors = valueErrors(schema, value, path);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return errors;
  for (const name of schema.required ?? []) {
    if (!Object.hasOwn(value, name)) {
      const message = 'Required value';
      errors.push({ path: fieldPath(path, name), message, reason: 'FieldValueRequired' });
    }
  }
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    const inner: unknown = Object.entries(value).find(([key]) => key === name)?.[1];
    if (inner !== undefined) errors.push(...deepErrors(field, inner, fieldPath(path, name)));
  }
  return errors;
}
