import {
  canonicalAmount,
  canonicalBytes,
  canonicalMicroTime,
  canonicalQuantity,
  canonicalTime,
} from '#api/meta/canonical.ts';
import type { Schema } from '#api/schema.ts';

export interface CanonicalForm {
  /** Whether a number may stand for the text. */
  readonly isNumeric: boolean;
  /** Throws RangeError where the text is no value of the type. */
  of(text: string): string;
}

const FORMS: Readonly<Record<string, CanonicalForm>> = {
  'io.k8s.apimachinery.pkg.api.resource.Quantity': { isNumeric: true, of: canonicalQuantity },
  'io.k8s.apimachinery.pkg.apis.meta.v1.Time': { isNumeric: false, of: canonicalTime },
  'io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime': { isNumeric: false, of: canonicalMicroTime },
};
/** The amounts of a resource list are the quantities that are values of a map. */
const AMOUNT: CanonicalForm = { isNumeric: true, of: canonicalAmount };

const BYTES: CanonicalForm = { isNumeric: false, of: canonicalBytes };

const known = new WeakMap<Schema, CanonicalForm | undefined>();

/** Of a schema that refers to one of Kubernetes' types with a canonical form; undefined for every other. */
export function canonicalForm(schema: Schema): CanonicalForm | undefined {
  if (!known.has(schema)) {
    const name = schema.$ref ?? schema.allOf?.[0]?.$ref ?? '';
    known.set(schema, schema.format === 'byte' ? BYTES : FORMS[name]);
  }
  return known.get(schema);
}

/** The same of the values of a map. */
export function entryForm(schema: Schema): CanonicalForm | undefined {
  const form = canonicalForm(schema);
  return form?.isNumeric ? AMOUNT : form;
}
