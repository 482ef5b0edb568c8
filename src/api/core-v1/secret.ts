import type { Secret as Generated } from '#api/generated/core-v1.ts';
import { keyErrors, keptErrors } from '#api/core-v1/data-errors.ts';
import { contentErrors } from '#api/core-v1/secret-errors.ts';
import { defineCoreKind } from '#api/kind.ts';
import { immutableErrors } from '#api/meta/field-error.ts';

export type Secret = Generated;
export const Secret = defineCoreKind<Secret>({
  group: '',
  version: 'v1',
  kind: 'Secret',
  plural: 'secrets',
  scope: 'Namespaced',
  definition: 'io.k8s.api.core.v1.Secret',
  default(secret) {
    secret.type ||= 'Opaque';
    if (!secret.stringData) return;
    // Written only: what is stored and read is base64.
    const encoded = Object.entries(secret.stringData).map(([key, value]) => [
      key,
      Buffer.from(value).toString('base64'),
    ]);
    secret.data = { ...secret.data, ...(Object.fromEntries(encoded) as Record<string, string>) };
    delete secret.stringData;
  },
  validate(secret, { previous }) {
    return [
      ...keyErrors(secret.data, 'data'),
      ...contentErrors(secret),
      ...(previous ? immutableErrors('type', secret.type, previous.type) : []),
      ...keptErrors(secret, previous),
    ];
  },
});
