import type { FieldError } from '#api/kind.ts';
import { disallowedFields, invalidValue, missing } from '#api/meta/knative-error.ts';
import { cIdentifier, dnsLabel, qualifiedName, type NameCheck } from '#api/meta/name-errors.ts';

const FORMS = {
  apiVersion: qualifiedName,
  kind: cIdentifier,
  name: dnsLabel,
} as const satisfies Readonly<Record<string, NameCheck>>;
const FIELDS = Object.keys(FORMS) as readonly (keyof typeof FORMS)[];

/** Of what names an object of the same namespace, and says no more of it than that. */
export function referenceErrors(
  reference: { readonly [P in keyof typeof FORMS]?: string },
  at: string,
): FieldError[] {
  return [
    ...disallowedFields(reference, FIELDS, at),
    ...FIELDS.flatMap((field) => {
      const path = `${at}.${field}`;
      const name = reference[field];
      if (!name) return [missing(path)];
      const why = FORMS[field](name);
      return why.length === 0 ? [] : [invalidValue(why.join(', '), path)];
    }),
  ];
}

/** Of a word that must be one of `words`, which are all there is. */
export function wordErrors(value: string, words: readonly string[], path: string): FieldError[] {
  if (value === '') return [missing(path)];
  return words.includes(value) ? [] : [invalidValue(value, path)];
}

/** What revisions are spoken to in. */
export const PROTOCOLS = ['http1', 'h2c'] as const;
