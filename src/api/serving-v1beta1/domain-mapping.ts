import { defineKind, type FieldError, type ObjectOf } from '#api/kind.ts';
import { conditioned, readyColumns } from '#api/meta/conditions.ts';
import { disallowed, missing } from '#api/meta/knative-error.ts';
import { dnsLabel, subdomain } from '#api/meta/name-errors.ts';
import type { ObjectMeta } from '#api/meta/object-meta.ts';
import { object, optional, string, type Of } from '#api/schema.ts';
import { routed } from '#api/serving-v1/route.ts';
import { SERVING_WEBHOOK } from '#api/serving-v1/serving-keys.ts';
import { authorErrors, defaultAuthors } from '#api/serving-v1/serving-metadata.ts';

/** Names that only Routes have. */
const CLUSTER_DOMAIN = 'cluster.local';

type Reference = Of<typeof Reference>;
const Reference = object({
  apiVersion: optional(string()),
  group: optional(string()),
  kind: optional(string()),
  name: optional(string()),
  namespace: optional(string()),
  address: optional(string()),
});

/** A host of the user's own, which is the object's name, that leads to something with an address. */
export type DomainMapping = ObjectOf<typeof DomainMapping>;
export const DomainMapping = defineKind({
  group: 'serving.knative.dev',
  version: 'v1beta1',
  kind: 'DomainMapping',
  plural: 'domainmappings',
  shortNames: ['dm'],
  categories: ['all', 'knative', 'serving'],
  scope: 'Namespaced',
  webhook: SERVING_WEBHOOK,
  spec: object({
    ref: optional(Reference),
    tls: optional(object({ secretName: optional(string()) })),
  }),
  status: object({ ...conditioned, url: routed.url, address: routed.address }),
  conditions: {
    happy: 'Ready',
    dependents: ['DomainClaimed', 'ReferenceResolved', 'IngressReady', 'CertificateProvisioned'],
  },
  columns: [{ name: 'URL', type: 'string', jsonPath: '.status.url' }, ...readyColumns],
  default(mapping, context) {
    const ref = ((mapping.spec ??= {}).ref ??= {});
    ref.namespace ||= mapping.metadata.namespace ?? '';
    defaultAuthors(mapping, context);
  },
  validate(mapping, context) {
    const { metadata, spec } = mapping;
    return [
      ...nameErrors(metadata),
      ...authorErrors(mapping, context),
      ...referenceErrors(spec?.ref ?? {}, metadata.namespace ?? ''),
    ];
  },
});

function nameErrors({ name = '', generateName }: ObjectMeta): FieldError[] {
  const path = 'metadata.name';
  const why = domainComplaint(name);
  return [
    ...(generateName ? [disallowed('metadata.generateName')] : []),
    ...(why === undefined ? [] : [{ path, message: `invalid name "${name}": ${why}` }]),
    ...(name.endsWith(`.${CLUSTER_DOMAIN}`)
      ? [
          {
            path,
            message: `invalid name "${name}": must not be a subdomain of cluster local domain "${CLUSTER_DOMAIN}"`,
          },
        ]
      : []),
  ];
}

/** Kubernetes' own words for what is no fully qualified name. */
function domainComplaint(name: string): string | undefined {
  if (name === '') return 'name: Required value';
  const bare = name.replace(/\.$/, '');
  const value = `name: Invalid value: ${JSON.stringify(bare)}`;
  const why = subdomain(bare);
  if (why.length > 0) return `${value}: ${why.join(',')}`;
  if (!bare.includes('.')) {
    return `${value}: should be a domain with at least two segments separated by dots`;
  }
  // The longest name may be made of labels that are too long.
  const label = bare.split('.').find((each) => dnsLabel(each).length > 0);
  if (label === undefined) return undefined;
  return `name: Invalid value: ${JSON.stringify(label)}: ${dnsLabel(label).join(',')}`;
}

function referenceErrors(ref: Reference, namespace: string): FieldError[] {
  const errors = (['name', 'kind'] as const).flatMap((field) =>
    ref[field] ? [] : [missing(`spec.ref.${field}`)],
  );
  if (!ref.apiVersion && !ref.group) errors.push(missing('spec.ref.apiVersion'));
  if (ref.namespace !== namespace) {
    const details = `parent namespace: "${namespace}" does not match ref: "${ref.namespace ?? ''}"`;
    errors.push({ path: 'spec.ref.namespace', message: 'mismatched namespaces', details });
  }
  return errors;
}
