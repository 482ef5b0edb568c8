import type { CelInput } from '@bufbuild/cel';
import type { Schema } from '#api/schema.ts';
import { compile } from '#apiserver/cel/expression.ts';

/**
 * How many elements one expression may go over, nested loops multiplied. The evaluator cannot be interrupted, so that
 * this is what bounds its time: some milliseconds.
 */
const ELEMENTS_MAX = 20_000;

/** Counts what an expression goes over; throws RangeError when it is too much. */
export class CelBudget {
  #left = ELEMENTS_MAX;

  spend(elements: number): void {
    this.#left -= elements;
    if (this.#left < 0) {
      throw new RangeError(`operation cancelled: actual cost limit exceeded (${ELEMENTS_MAX})`);
    }
  }
}

class CountedList extends Array<CelInput> {
  budget: CelBudget | undefined;

  override values(): ArrayIterator<CelInput> {
    this.budget?.spend(this.length);
    return super.values();
  }
}

class CountedMap extends Map<string, CelInput> {
  budget: CelBudget | undefined;

  override keys(): MapIterator<string> {
    this.budget?.spend(this.size);
    return super.keys();
  }
}

/** A JSON value as CEL sees it by its schema: whole numbers as int, unknown fields not at all. */
export function typedCelValue(schema: Schema, value: unknown, budget: CelBudget): CelInput {
  if (value === null || value === undefined) return null;
  if (typeof value === 'boolean') return value;
  if (typeof value === 'string') return typedText(schema, value);
  if (typeof value === 'number') {
    return schema.type !== 'number' && Number.isInteger(value) ? BigInt(value) : value;
  }
  if (Array.isArray(value)) {
    const { items = {} } = schema;
    return listOf(
      value.map((item) => typedCelValue(items, item, budget)),
      budget,
    );
  }
  const { properties, additionalProperties } = schema;
  const map = new CountedMap();
  for (const [name, field] of Object.entries(value)) {
    const property = properties && Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (property) map.set(escapedName(name), typedCelValue(property, field, budget));
    else if (typeof additionalProperties === 'object') {
      map.set(name, typedCelValue(additionalProperties, field, budget));
    } else if (!properties || schema['x-kubernetes-preserve-unknown-fields']) {
      map.set(name, typedCelValue({}, field, budget));
    }
  }
  map.budget = budget;
  return map;
}

function listOf(items: readonly CelInput[], budget: CelBudget): CelInput {
  const list = new CountedList();
  for (const item of items) list.push(item);
  list.budget = budget;
  return list;
}

function typedText(schema: Schema, text: string): CelInput {
  return schema.format === 'date-time' ? compile('timestamp(text)').evaluate({ text }) : text;
}

const RESERVED = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(
    ' ',
  ),
);

/** Kubernetes' spelling of property names that are no CEL identifiers: `a-b` is `a__dash__b`. */
function escapedName(name: string): string {
  if (RESERVED.has(name)) return `__${name}__`;
  return name
    .replaceAll('__', '__underscores__')
    .replaceAll('.', '__dot__')
    .replaceAll('-', '__dash__')
    .replaceAll('/', '__slash__');
}
