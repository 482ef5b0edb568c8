import { isDeepStrictEqual } from 'node:util';
import type { FieldError } from '#api/kind.ts';
import { forbiddenField, wrongValue } from '#api/meta/field-error.ts';

const KEY = /^[-._a-zA-Z0-9]{1,253}$/;
const KEY_TEXT = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";

/** Keys become file names and parts of environment variables. */
export function keyErrors(
  data: Readonly<Record<string, string>> | undefined,
  path: string,
): FieldError[] {
  return Object.keys(data ?? {})
    .filter((key) => !KEY.test(key) || key === '.' || key.startsWith('..'))
    .map((key) => wrongValue(`${path}[${key}]`, key, KEY_TEXT));
}

interface Data {
  readonly immutable?: boolean;
  readonly data?: Readonly<Record<string, string>>;
  readonly binaryData?: Readonly<Record<string, string>>;
}

/** Once `immutable`, always so, and its data stays. */
export function keptErrors(object: Data, previous: Data | undefined): FieldError[] {
  if (!previous?.immutable) return [];
  const why = 'field is immutable when `immutable` is set';
  const errors = object.immutable ? [] : [forbiddenField('immutable', why)];
  for (const field of ['data', 'binaryData'] as const) {
    if (!isDeepStrictEqual(object[field], previous[field])) errors.push(forbiddenField(field, why));
  }
  return errors;
}
