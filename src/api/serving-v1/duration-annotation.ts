import type { FieldError } from '#api/kind.ts';
import { parseGoDuration } from '#api/meta/go-duration.ts';
import { invalidValue } from '#api/meta/knative-error.ts';
import { findAlias } from '#api/serving-v1/serving-keys.ts';

/** Of an annotation that is a duration of whole seconds; `word` is what the complaints call it. */
export function durationAnnotationErrors(
  annotations: Readonly<Record<string, string>>,
  at: string,
  { names, word }: { readonly names: readonly string[]; readonly word: string },
): FieldError[] {
  const found = findAlias(annotations, names);
  // Nothing is said of one that is there and empty.
  if (!found?.value) return [];
  const { key, value } = found;
  const path = `${at}.${key}`;
  const durationMs = parseGoDuration(value);
  if (durationMs === undefined) return [invalidValue(value, path)];
  if (durationMs % 1_000 !== 0) {
    return [{ path, message: `${word}=${value} is not at second precision` }];
  }
  return durationMs < 0 ? [{ path, message: `${word}=${value} must be positive` }] : [];
}
