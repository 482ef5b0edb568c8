import { parse } from 'yaml';
import type { KubeObject } from '#api/meta/object-meta.ts';

/** An object as a user writes it. The type is the test's word for what its YAML says. */
export function fixture<T extends KubeObject>(yaml: string): T {
  return parse(yaml) as T;
}
