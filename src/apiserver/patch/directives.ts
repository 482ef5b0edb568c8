import { ApiError } from '#api/meta/api-error.ts';
import type { Schema } from '#api/schema.ts';
import { isFields } from '#apiserver/patch/merge-patch.ts';

export type Fields = Readonly<Record<string, unknown>>;

export function strategiesOf(schema: Schema): readonly string[] {
  return (schema['x-kubernetes-patch-strategy'] ?? '').split(',');
}

/** The value with every order in it left out: what `replace` and a new element store. */
export function withoutDirectives(patch: Fields): Fields {
  return Object.fromEntries(
    Object.entries(patch)
      .filter(([name, value]) => !name.startsWith('$') && value !== null)
      .map(([name, value]) => [name, isFields(value) ? withoutDirectives(value) : value]),
  );
}

export function badDirective(name: string, value: unknown): ApiError {
  return new ApiError(
    'BadRequest',
    `unknown value of ${name} in the patch: ${JSON.stringify(value)}`,
  );
}
