import { isDeepStrictEqual } from 'node:util';
import type { FieldError } from '#api/kind.ts';
import { forbiddenField } from '#api/meta/field-error.ts';
import { configKey, nameErrors } from '#api/meta/name-errors.ts';

/** Keys become file names and parts of environment variables. */
export function keyErrors(
  data: Readonly<Record<string, string>> | undefined,
  path: string,
): FieldError[] {
  return Object.keys(data ?? {}).flatMap((key) => nameErrors(configKey, `${path}[${key}]`, key));
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
