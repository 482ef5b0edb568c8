import type { FieldError } from '#api/kind.ts';
import type { Schema } from '#api/schema.ts';
import { fieldPath, quoted } from '#apiserver/admission/field-path.ts';

/** What is wrong with one value by its own schema; what is inside it is not looked at, but by allOf, anyOf and so on. */
export function valueErrors(schema: Schema, value: unknown, path: string): FieldError[] {
  const expected = expectedType(schema);
  const type = typeOf(value);
  if (value === null && schema.nullable) return [];
  if (expected && !expected.includes(type)) {
    const message = `Invalid value: ${quoted(type)}: ${path} in body must be of type ${expected[0]}: ${quoted(type)}`;
    return [{ path, message, reason: 'FieldValueTypeInvalid' }];
  }
  if (schema.enum && !schema.enum.includes(value)) {
    const supported = schema.enum.map(quoted).join(', ');
    const message = `Unsupported value: ${quoted(value)}: supported values: ${supported}`;
    return [{ path, message, reason: 'FieldValueNotSupported' }];
  }
  const complaints = [
    ...(typeof value === 'string' ? stringComplaints(schema, value) : []),
    ...(typeof value === 'number' ? numberComplaints(schema, value) : []),
    ...(Array.isArray(value) ? lengthComplaints(schema, value) : []),
  ];
  return [
    ...complaints.map((complaint) => ({
      path,
      message: `Invalid value: ${Array.isArray(value) ? value.length : quoted(value)}: ${path} in body ${complaint}`,
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
    return ['string', 'number', 'integer'];
  }
  if (schema.type === 'number') return ['number', 'integer'];
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
  const { length } = value;
  if (schema.minLength !== undefined && length < schema.minLength) {
    complaints.push(`should be at least ${schema.minLength} chars long`);
  }
  if (schema.maxLength !== undefined && length > schema.maxLength) {
    complaints.push(`should be at most ${schema.maxLength} chars long`);
  }
  if (schema.pattern !== undefined && !new RegExp(schema.pattern, 'u').test(value)) {
    complaints.push(`should match '${schema.pattern}'`);
  }
  if (schema.format === 'date-time' && Number.isNaN(Date.parse(value))) {
    complaints.push('must be of type date-time');
  }
  return complaints;
}

const INTEGER_BITS: Readonly<Record<string, number>> = { int32: 31, int64: 63 };

function numberComplaints(schema: Schema, value: number): string[] {
  const complaints: string[] = [];
  const bits = INTEGER_BITS[schema.format ?? ''];
  if (bits !== undefined && Math.abs(value) > 2 ** bits) {
    complaints.push(`must be of type ${schema.format}`);
  }
  if (schema.minimum !== undefined && value < schema.minimum) {
    complaints.push(`should be greater than or equal to ${schema.minimum}`);
  }
  if (schema.maximum !== undefined && value > schema.maximum) {
    complaints.push(`should be less than or equal to ${schema.maximum}`);
  }
  return complaints;
}

function lengthComplaints(schema: Schema, value: readonly unknown[]): string[] {
  const complaints: string[] = [];
  if (schema.minItems !== undefined && value.length < schema.minItems) {
    complaints.push(`should have at least ${schema.minItems} items`);
  }
  if (schema.maxItems !== undefined && value.length > schema.maxItems) {
    complaints.push(`should have at most ${schema.maxItems} items`);
  }
  return complaints;
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
