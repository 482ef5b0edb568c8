import { readFileSync } from 'node:fs';
import type { Schema } from '#api/schema.ts';

const parsed = new Map<string, Readonly<Record<string, Schema>>>();

/**
 * The generated schema of one of Kubernetes' own types by its full name, `io.k8s.api.core.v1.PodSpec`. A group's file is
 * parsed when something of it is first asked for. References inside it name other definitions in the same way.
 */
export function definition(name: string): Schema {
  const file = fileOf(name);
  let schemas = parsed.get(file);
  if (!schemas) {
    const url = new URL(`./generated/${file}.json`, import.meta.url);
    schemas = (JSON.parse(readFileSync(url, 'utf8')) as { schemas: Record<string, Schema> })
      .schemas;
    parsed.set(file, schemas);
  }
  const schema = schemas[name];
  if (!schema) throw new TypeError(`Cannot find the definition "${name}" in ${file}.json`);
  return schema;
}

/** Follows a reference, also one wrapped in `allOf` beside a default, to what it names. */
export function dereference(schema: Schema): Schema {
  if (schema.$ref) return dereference(definition(schema.$ref));
  const only = schema.allOf?.length === 1 ? schema.allOf[0] : undefined;
  if (!only?.$ref) return schema;
  const { allOf: _, ...rest } = schema;
  return { ...dereference(only), ...rest };
}

function fileOf(name: string): string {
  const [group, version] = name.split('.').slice(-3);
  if (name.startsWith('io.k8s.apimachinery.pkg.') && !/^v\d/.test(version ?? '')) return 'meta-v1';
  return `${group}-${version}`;
}
