import type { FieldError } from '#api/kind.ts';
import { wrongValue } from '#api/meta/field-error.ts';

/** Of a path that stays below where it begins. */
export function descendingPathErrors(path: string, value: string): FieldError[] {
  return [
    ...(value.startsWith('/') ? [wrongValue(path, value, 'must be a relative path')] : []),
    ...backstepErrors(path, value),
  ];
}

export function backstepErrors(path: string, value: string): FieldError[] {
  return value.split('/').includes('..') ? [wrongValue(path, value, "must not contain '..'")] : [];
}

/** Of a file in a volume that the platform writes, where names that begin with two dots are its own. */
export function filePathErrors(path: string, value: string): FieldError[] {
  const errors = descendingPathErrors(path, value);
  const isReserved = value.startsWith('..') && !value.startsWith('../') && value !== '..';
  return isReserved ? [...errors, wrongValue(path, value, "must not start with '..'")] : errors;
}
