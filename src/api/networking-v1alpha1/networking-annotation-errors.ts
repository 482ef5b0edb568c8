import type { FieldError } from '#api/kind.ts';
import { invalidKey } from '#api/meta/knative-error.ts';
import { networkingAliases } from '#api/networking-v1alpha1/networking-keys.ts';

const NETWORKING_DOMAIN = 'networking.knative.dev';

/** Of annotations that look like networking's and are none. */
export function networkingAnnotationErrors(
  annotations: Readonly<Record<string, string>> = {},
  at: string,
): FieldError[] {
  const known: ReadonlySet<string> = new Set(Object.values(networkingAliases).flat());
  return Object.keys(annotations)
    .filter((key) => key.startsWith(NETWORKING_DOMAIN) && !known.has(key))
    .map((key) => invalidKey(key, at));
}
