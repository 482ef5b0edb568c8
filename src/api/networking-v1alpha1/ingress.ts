import { defineKind, type FieldError, type ObjectOf } from '#api/kind.ts';
import { conditioned, readyColumns } from '#api/meta/conditions.ts';
import { invalidValue, isSet, missing } from '#api/meta/knative-error.ts';
import {
  array,
  boolean,
  integer,
  intOrString,
  map,
  object,
  optional,
  string,
  type Of,
} from '#api/schema.ts';
import { SERVING_WEBHOOK } from '#api/serving-v1/serving-keys.ts';

export type IngressSplit = Of<typeof IngressSplit>;
export const IngressSplit = object({
  serviceNamespace: string(),
  serviceName: string(),
  servicePort: intOrString(),
  percent: optional(integer({ format: 'int64' })),
  appendHeaders: optional(map(string())),
});

export type IngressPath = Of<typeof IngressPath>;
export const IngressPath = object({
  /** A literal prefix; all paths where absent. */
  path: optional(string()),
  rewriteHost: optional(string()),
  /** All of them must match. */
  headers: optional(map(object({ exact: string() }))),
  splits: array(IngressSplit),
  appendHeaders: optional(map(string())),
});

export type IngressRule = Of<typeof IngressRule>;
export const IngressRule = object({
  hosts: optional(array(string())),
  visibility: optional(string<'ExternalIP' | 'ClusterLocal'>()),
  http: optional(object({ paths: array(IngressPath) })),
});

export type IngressTls = Of<typeof IngressTls>;
const IngressTls = object({
  hosts: optional(array(string())),
  secretName: optional(string()),
  secretNamespace: optional(string()),
});

const LoadBalancerStatus = object({
  ingress: optional(
    array(
      object({
        ip: optional(string()),
        domain: optional(string()),
        domainInternal: optional(string()),
        meshOnly: optional(boolean()),
      }),
    ),
  ),
});

/** The contract between whoever wants hosts routed (Route, DomainMapping, a person) and a gateway. */
export type Ingress = ObjectOf<typeof Ingress>;
export const Ingress = defineKind({
  group: 'networking.internal.knative.dev',
  version: 'v1alpha1',
  kind: 'Ingress',
  plural: 'ingresses',
  shortNames: ['kingress', 'king'],
  categories: ['knative-internal', 'networking'],
  scope: 'Namespaced',
  webhook: SERVING_WEBHOOK,
  spec: object({
    httpOption: optional(string<'' | 'Enabled' | 'Redirected'>()),
    rules: optional(array(IngressRule)),
    tls: optional(array(IngressTls)),
  }),
  status: object({
    ...conditioned,
    publicLoadBalancer: optional(LoadBalancerStatus),
    privateLoadBalancer: optional(LoadBalancerStatus),
  }),
  conditions: { happy: 'Ready', dependents: ['NetworkConfigured', 'LoadBalancerReady'] },
  columns: readyColumns,
  default(ingress) {
    for (const rule of ingress.spec?.rules ?? []) {
      rule.visibility ||= 'ExternalIP';
      for (const path of rule.http?.paths ?? []) {
        const [only, another] = path.splits;
        if (only && !another && !only.percent) only.percent = 100;
      }
    }
  },
  validate(ingress) {
    // The schema lets an absent spec through, as upstream's does; the words for it are these.
    const spec: typeof ingress.spec | undefined = ingress.spec;
    if (!spec || isEmpty(spec)) return [missing('spec')];
    const rules = spec.rules ?? [];
    return [
      ...(rules.length === 0 ? [missing('spec.rules')] : []),
      ...rules.flatMap((rule, index) => ruleErrors(rule, `spec.rules[${index}]`, ingress)),
      ...(spec.tls ?? []).flatMap((tls, index) => tlsErrors(tls, `spec.tls[${index}]`)),
      ...(['', 'Enabled', 'Redirected'].includes(spec.httpOption ?? '')
        ? []
        : [invalidValue(spec.httpOption, 'spec.httpOption')]),
    ];
  },
});

function ruleErrors(
  rule: IngressRule,
  path: string,
  { metadata }: { readonly metadata: { readonly namespace?: string } },
): FieldError[] {
  if (!rule.http) return [missing(`${path}.http`)];
  if (rule.http.paths.length === 0) return [missing(`${path}.http.paths`)];
  return rule.http.paths.flatMap((item, index) =>
    pathErrors(item, `${path}.http.paths[${index}]`, metadata.namespace),
  );
}

function pathErrors(path: IngressPath, at: string, namespace: string | undefined): FieldError[] {
  if (isEmpty(path)) return [missing(at)];
  if (path.splits.length === 0) return [missing(`${at}.splits`)];
  // Of several that are wrong the first is told, and the sum only where none is.
  for (const [index, split] of path.splits.entries()) {
    const errors = splitErrors(split, `${at}.splits[${index}]`, namespace);
    if (errors.length > 0) return errors;
  }
  const total = path.splits.reduce((sum, split) => sum + (split.percent ?? 0), 0);
  if (total === 100) return [];
  const message = `traffic split percentage must total to 100, but was ${total}`;
  return [{ path: `${at}.splits`, message }];
}

function splitErrors(split: IngressSplit, at: string, namespace: string | undefined): FieldError[] {
  if (isEmpty(split)) return [missing(at)];
  const { percent = 0, serviceName, serviceNamespace, servicePort } = split;
  const errors: FieldError[] = [];
  if (percent < 0 || percent > 100) errors.push(invalidValue(percent, `${at}.percent`));
  if (!serviceNamespace) errors.push(missing(`${at}.serviceNamespace`));
  else if (serviceNamespace !== namespace) {
    const message = 'service namespace must match ingress namespace';
    errors.push({ path: `${at}.serviceNamespace`, message });
  }
  if (!serviceName) errors.push(missing(`${at}.serviceName`));
  if (servicePort === 0) errors.push(missing(`${at}.servicePort`));
  return errors;
}

function tlsErrors(tls: IngressTls, at: string): FieldError[] {
  if (isEmpty(tls)) return [missing(at)];
  return (['secretName', 'secretNamespace'] as const).flatMap((field) =>
    tls[field] ? [] : [missing(`${at}.${field}`)],
  );
}

/** Whether nothing that counts is said: one that is empty is told as missing, rather than all of its fields. */
function isEmpty(value: object): boolean {
  return Object.values(value).every(
    (each) => !isSet(each) || (typeof each === 'object' && Object.keys(each).length === 0),
  );
}
