import { defineKind, type ObjectOf } from '#api/kind.ts';
import { conditioned, readyColumns } from '#api/meta/conditions.ts';
import { invalidValue, missing } from '#api/meta/knative-error.ts';
import { array, intOrString, object, optional, string, type Of } from '#api/schema.ts';
import { SERVING_WEBHOOK } from '#api/serving-v1/serving-keys.ts';

/** A URL that must answer so that a certificate is given, and the Service that does. */
export type Http01Challenge = Of<typeof Http01Challenge>;
const Http01Challenge = object({
  url: optional(string()),
  serviceName: optional(string()),
  serviceNamespace: optional(string()),
  servicePort: optional(intOrString()),
});

/** Upstream says the field's name where others say its value. */
const NOT_OF_DOMAIN = invalidValue(
  'domain',
  'spec.domain must be a suffix of, or match exactly, at least one entry in dnsNames',
);

/** A certificate that somebody is asked to provide in a Secret. */
export type Certificate = ObjectOf<typeof Certificate>;
export const Certificate = defineKind({
  group: 'networking.internal.knative.dev',
  version: 'v1alpha1',
  kind: 'Certificate',
  plural: 'certificates',
  shortNames: ['kcert'],
  categories: ['knative-internal', 'networking'],
  scope: 'Namespaced',
  webhook: SERVING_WEBHOOK,
  spec: object({
    dnsNames: optional(array(string())),
    domain: optional(string()),
    secretName: optional(string()),
  }),
  status: object({
    ...conditioned,
    notAfter: optional(string({ format: 'date-time' })),
    http01Challenges: optional(array(Http01Challenge)),
  }),
  conditions: { happy: 'Ready', dependents: [] },
  columns: readyColumns,
  validate({ spec }) {
    const { dnsNames = [], domain = '', secretName } = spec ?? {};
    const isOfDomain = dnsNames.some((name) => name === domain || name.endsWith(`.${domain}`));
    return [
      ...(dnsNames.length === 0 ? [missing('spec.dnsNames')] : []),
      ...dnsNames.flatMap((name, index) =>
        name ? [] : [invalidValue(name, `spec.dnsNames[${index}]`)],
      ),
      ...(secretName ? [] : [missing('spec.secretName')]),
      ...(domain === '' || dnsNames.length === 0 || isOfDomain ? [] : [NOT_OF_DOMAIN]),
    ];
  },
});
