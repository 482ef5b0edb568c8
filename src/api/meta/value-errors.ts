import type { FieldError } from '#api/kind.ts';
import { wrongValue } from '#api/meta/field-error.ts';

/** Of a field that takes one of a few words; absent is never wrong. */
export function unsupportedErrors(
  path: string,
  value: string | undefined,
  supported: readonly string[],
): FieldError[] {
  if (value === undefined || supported.includes(value)) return [];
  return [unsupportedValue(path, value, supported)];
}

export function unsupportedValue(
  path: string,
  value: unknown,
  supported: readonly string[],
): FieldError {
  const list = supported.map((each) => JSON.stringify(each)).join(', ');
  const message = `Unsupported value: ${JSON.stringify(value)}: supported values: ${list}`;
  return { path, message, reason: 'FieldValueNotSupported' };
}

export function negativeErrors(path: string, value: number | undefined): FieldError[] {
  if (value === undefined || value >= 0) return [];
  return [wrongValue(path, value, 'must be greater than or equal to 0')];
}

/** Of a name that nothing here has. */
export function notFoundValue(path: string, value: unknown, why = ''): FieldError {
  const message = `Not found: ${JSON.stringify(value)}${why && `: ${why}`}`;
  return { path, message, reason: 'FieldValueNotFound' };
}

export function rangeErrors(
  path: string,
  value: number | undefined,
  { first, last }: { readonly first: number; readonly last: number },
): FieldError[] {
  if (value === undefined || (value >= first && value <= last)) return [];
  return [wrongValue(path, value, `must be between ${first} and ${last}, inclusive`)];
}

export function duplicateValue(path: string, value: unknown): FieldError {
  const message = `Duplicate value: ${JSON.stringify(value)}`;
  return { path, message, reason: 'FieldValueDuplicate' };
}

export function tooManyErrors(path: string, list: readonly unknown[], most: number): FieldError[] {
  if (list.length <= most) return [];
  const message = `Too many: ${list.length}: must have at most ${most} items`;
  return [{ path, message, reason: 'FieldValueTooMany' }];
}
