import { isDeepStrictEqual } from 'node:util';

/** A complaint about one field, in the words a client shows. */
export interface FieldError {
  /** `spec.template.spec.containers[0].image` */
  readonly path: string;
  readonly message: string;
  /** More, on a line of its own; Knative's errors have it. */
  readonly details?: string;
  /** Kubernetes' cause types; `FieldValueInvalid` unless told. */
  readonly reason?:
    | 'FieldValueInvalid'
    | 'FieldValueRequired'
    | 'FieldValueForbidden'
    | 'FieldValueNotSupported'
    | 'FieldValueDuplicate'
    | 'FieldValueNotFound'
    | 'FieldValueTooLong'
    | 'FieldValueTooMany'
    | 'FieldValueTypeInvalid';
}

/** The complaints that validation is made of, in Kubernetes' words. */
export function required(path: string, detail?: string): FieldError {
  const message = detail === undefined ? 'Required value' : `Required value: ${detail}`;
  return { path, message, reason: 'FieldValueRequired' };
}

export function wrongValue(path: string, value: unknown, why: string): FieldError {
  return { path, message: `Invalid value: ${JSON.stringify(value) ?? 'null'}: ${why}` };
}

export function forbiddenField(path: string, why: string): FieldError {
  return { path, message: `Forbidden: ${why}`, reason: 'FieldValueForbidden' };
}

/** Of a field that keeps the value it was created with. */
export function immutableErrors(path: string, value: unknown, previous: unknown): FieldError[] {
  return isDeepStrictEqual(value, previous) ? [] : [wrongValue(path, value, 'field is immutable')];
}
