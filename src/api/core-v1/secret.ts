import type { Secret as Generated } from '#api/generated/core-v1.ts';
import { keyErrors, keptErrors } from '#api/core-v1/data-errors.ts';
import { defineCoreKind, type FieldError } from '#api/kind.ts';
import { immutableErrors, wrongValue } from '#api/meta/field-error.ts';

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
      ...base64Errors(secret.data),
      ...(previous ? immutableErrors('type', secret.type, previous.type) : []),
      ...keptErrors(secret, previous),
    ];
  },
});

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** The complaint does not repeat the value: it may be a secret that somebody forgot to encode. */
function base64Errors(data: Secret['data']): FieldError[] {
  return Object.entries(data ?? {})
    .filter(([, value]) => !BASE64.test(value.replaceAll(/[\r\n]/g, '')))
    .map(([key]) => wrongValue(`data[${key}]`, '***', 'must be base64'));
}
