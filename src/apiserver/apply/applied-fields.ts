import { fieldSet, stepText, type FieldSet } from '#apiserver/apply/field-set.ts';
import {
  fieldPlace,
  isAllowed,
  isDeclared,
  isFields,
  itemPlace,
  shapeOf,
  type Place,
} from '#apiserver/apply/shape.ts';

/**
 * The fields that a configuration sets, and so its manager owns. Pushes onto `errors` what no object of this schema can
 * have: unknown fields, elements without a key or with another's.
 */
export function appliedFields(
  place: Place,
  value: unknown,
  { errors, path = '' }: { readonly errors: string[]; readonly path?: string },
): FieldSet | undefined {
  const shape = shapeOf(place, value);
  switch (shape.type) {
    case 'leaf': {
      const complaint = typeComplaint(place, value);
      if (complaint !== undefined) errors.push(`${path}: ${complaint}`);
      return {};
    }
    case 'map': {
      const names = Object.entries(shape.fields).map(([name, each]) => {
        const at = `${path}.${name}`;
        if (!isAllowed(place, name)) errors.push(`${at}: field not declared in schema`);
        const within = appliedFields(fieldPlace(place, name), each, { errors, path: at });
        const isEmpty = each === null || (isFields(each) && Object.keys(each).length === 0);
        // The key of a map is itself a field; a declared field is only what is in it.
        const isOwned = isEmpty || !isDeclared(place, name);
        return [`f:${name}`, isOwned ? withItself(within) : within] as const;
      });
      return fieldSet(names, { isMember: false });
    }
    case 'list': {
      const found = new Map<string, FieldSet | undefined>();
      for (const [index, item] of shape.items.entries()) {
        const step = shape.stepOf(item);
        if (step === undefined) {
          errors.push(
            `${path}: element ${index}: associative list with keys has an element that omits all key fields`,
          );
          continue;
        }
        if (found.has(step)) errors.push(`${path}: duplicate entries for key ${stepText(step)}`);
        const at = `${path}${stepText(step)}`;
        found.set(step, withItself(appliedFields(itemPlace(place), item, { errors, path: at })));
      }
      return fieldSet(found, { isMember: false });
    }
    default:
      return shape satisfies never;
  }
}

const SCALARS: Readonly<Record<string, readonly [type: string, name: string]>> = {
  string: ['string', 'string'],
  boolean: ['boolean', 'boolean'],
  integer: ['number', 'numeric (int or float)'],
  number: ['number', 'numeric (int or float)'],
};

/** In Kubernetes' words. Of values that are no scalars, and may be several types, other checks know more. */
function typeComplaint({ schema }: Place, value: unknown): string | undefined {
  const [wanted, name] = SCALARS[schema.type ?? ''] ?? [];
  if (wanted === undefined || value === null || typeof value === 'object') return undefined;
  if (typeof value === wanted || schema.format === 'int-or-string') return undefined;
  return `expected ${name}, got &value.valueUnstructured{Value:${JSON.stringify(value)}}`;
}

function withItself(set: FieldSet | undefined): FieldSet | undefined {
  return fieldSet(
    Object.entries(set ?? {}).filter(([step]) => step !== '.'),
    { isMember: true },
  );
}
