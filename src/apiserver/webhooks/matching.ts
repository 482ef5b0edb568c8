import type { RuleWithOperations } from '#api/generated/admissionregistration-v1.ts';
import type { Webhook } from '#api/admissionregistration-v1/webhook.ts';
import type { Kind } from '#api/kind.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { matchLabelSelector } from '#api/meta/selector.ts';
import type { AdmissionRequest } from '#apiserver/admission/admit.ts';

/** A write as webhooks are asked about it; `object` is absent for a deletion. */
export interface Write {
  readonly object: KubeObject | undefined;
  readonly request: AdmissionRequest;
  /** Of its namespace; undefined where it has none. */
  readonly namespaceLabels: Readonly<Record<string, string>> | undefined;
}

/** Whether rules and selectors of `webhook` mean this write; match conditions are asked apart. */
export function isMeant(webhook: Webhook, { object, request, namespaceLabels }: Write): boolean {
  const { kind, previous } = request;
  if (kind.group === 'admissionregistration.k8s.io') return false;
  if (!webhook.rules?.some((rule) => matchesRule(rule, request))) return false;
  if (namespaceLabels && !matchLabelSelector(webhook.namespaceSelector ?? {})(namespaceLabels)) {
    return false;
  }
  const selects = matchLabelSelector(webhook.objectSelector ?? {});
  return [object, previous].some((each) => each && selects(each.metadata.labels ?? {}));
}

function matchesRule(
  rule: RuleWithOperations,
  { kind, operation, subresource }: AdmissionRequest,
): boolean {
  const { operations = [], apiGroups = [], apiVersions = [], resources = [], scope = '*' } = rule;
  return (
    includes(operations, operation) &&
    includes(apiGroups, kind.group) &&
    includes(apiVersions, kind.version) &&
    (scope === '*' || scope === kind.scope) &&
    resources.some((resource) => matchesResource(resource, kind, subresource))
  );
}

/** `pods`, `pods/status`, `pods/*`, `*` with `/scale`, `*`, and all with their subresources. */
function matchesResource(resource: string, kind: Kind, subresource: string | undefined): boolean {
  const [plural = '', sub] = resource.split('/');
  if (plural !== '*' && plural !== kind.plural) return false;
  if (sub === undefined) return subresource === undefined;
  return sub === '*' || sub === subresource;
}

function includes(list: readonly string[], value: string): boolean {
  return list.includes('*') || list.includes(value);
}
