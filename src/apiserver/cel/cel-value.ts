import type { CelInput } from '@bufbuild/cel';
import type { Schema } from '#api/schema.ts';
import { escapedName } from '#apiserver/cel/escaped-name.ts';
import { compile } from '#apiserver/cel/expression.ts';

/** JSON values as CEL sees them; what several rules look at is made once. */
export class CelValues {
  readonly #made = new WeakMap<object, CelInput>();

  /** `value` by its schema: whole numbers as int, unknown fields not at all. */
  of(schema: Schema, value: unknown): CelInput {
    if (value === null || value === undefined) return null;
    if (typeof value === 'boolean') return value;
    if (typeof value === 'string') return typedText(schema, value);
    if (typeof value === 'number') {
      return schema.type !== 'number' && Number.isInteger(value) ? BigInt(value) : value;
    }
    let made = this.#made.get(value);
    if (made === undefined) {
      made = Array.isArray(value)
        ? value.map((item) => this.of(schema.items ?? {}, item))
        : this.#mapOf(schema, value);
      this.#made.set(value, made);
    }
    return made;
  }

  #mapOf({ properties, additionalProperties, ...schema }: Schema, value: object): CelInput {
    const map = new Map<string, CelInput>();
    for (const [name, field] of Object.entries(value)) {
      const property = properties && Object.hasOwn(properties, name) ? properties[name] : undefined;
      if (property) map.set(escapedName(name), this.of(property, field));
      else if (typeof additionalProperties === 'object') {
        map.set(name, this.of(additionalProperties, field));
      } else if (!properties || schema['x-kubernetes-preserve-unknown-fields']) {
        map.set(name, this.of({}, field));
      }
    }
    return map;
  }
}

function typedText(schema: Schema, text: string): CelInput {
  return schema.format === 'date-time' ? compile('timestamp(text)').evaluate({ text }) : text;
}
