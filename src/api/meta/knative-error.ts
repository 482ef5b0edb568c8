import type { FieldError } from '#api/kind.ts';

/** The complaints that Knative's validation is made of, in its words (serving specification §2.2). */
export function missing(...paths: readonly string[]): FieldError {
  return { path: joined(paths), message: 'missing field(s)', reason: 'FieldValueRequired' };
}

export function disallowed(...paths: readonly string[]): FieldError {
  const message = 'must not set the field(s)';
  return { path: joined(paths), message, reason: 'FieldValueForbidden' };
}

export function invalidValue(
  value: string | number | undefined,
  path: string,
  details?: string,
): FieldError {
  return { path, message: `invalid value: ${value ?? ''}`, ...(details && { details }) };
}

export function invalidKey(key: string, path: string, details?: string): FieldError {
  return { path, message: `invalid key name "${key}"`, ...(details && { details }) };
}

interface Bounds {
  readonly low: number | string;
  readonly high: number | string;
}

export function outOfBounds(
  value: string | number,
  { low, high }: Bounds,
  path: string,
): FieldError {
  return { path, message: `expected ${low} <= ${value} <= ${high}` };
}

/** Of a number that must be between the two, both included; absent is never wrong. */
export function boundErrors(
  value: number | undefined,
  bounds: { readonly low: number; readonly high: number },
  path: string,
): FieldError[] {
  if (value === undefined || (value >= bounds.low && value <= bounds.high)) return [];
  return [outOfBounds(value, bounds, path)];
}

/** Of fields of which exactly one must be there: `found` are those that are. */
export function oneOfErrors(
  found: readonly string[],
  options: { readonly all: readonly string[]; readonly at: string },
): FieldError[] {
  const { all, at } = options;
  const paths = (names: readonly string[]): string => joined(names.map((name) => `${at}.${name}`));
  if (found.length > 1) return [{ path: paths(found), message: 'expected exactly one, got both' }];
  if (found.length === 1) return [];
  return [{ path: paths(all), message: 'expected exactly one, got neither' }];
}

/** What the author set of an object beyond the fields that are allowed there; `counts` says what is set. */
export function disallowedFields(
  object: object | undefined,
  allowed: readonly string[],
  at: string,
  counts: (value: unknown) => boolean = isSet,
): FieldError[] {
  const wrong = Object.entries(object ?? {})
    .filter(([name, value]) => !allowed.includes(name) && counts(value))
    .map(([name]) => `${at}.${name}`);
  return wrong.length === 0 ? [] : [disallowed(...wrong)];
}

/** Of a field that is no pointer in Go, where its zero value is nothing. */
export function isSet(value: unknown): boolean {
  return isThere(value) && value !== '' && value !== 0 && value !== false;
}

/** Of one that is a pointer; an empty list is nothing all the same. */
export function isThere(value: unknown): boolean {
  return value !== undefined && value !== null && !(Array.isArray(value) && value.length === 0);
}

function joined(paths: readonly string[]): string {
  return paths.toSorted().join(', ');
}
