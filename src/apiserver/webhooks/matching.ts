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
  /** The kind the client wrote, where the webhook is asked about another that shows the same objects. */
  readonly written?: Kind;
}

/**
 * The kind that `webhook` is to be asked about: the one that is written, or, where it takes them for the same, the first of
 * `equivalents` that its rules name. Undefined where rules or selectors do not mean this write; match conditions are
 * asked apart.
 */
export function meantKind(
  webhook: Webhook,
  { object, request, namespaceLabels }: Write,
  equivalents: (kind: Kind) => readonly Kind[],
): Kind | undefined {
  const { kind, previous } = request;
  if (kind.group === 'admissionregistration.k8s.io') return undefined;
  const meant = ruledKind(webhook, request, equivalents);
  if (!meant) return undefined;
  if (namespaceLabels && !matchLabelSelector(webhook.namespaceSelector ?? {})(namespaceLabels)) {
    return undefined;
  }
  const selects = matchLabelSelector(webhook.objectSelector ?? {});
  const isSelected = [object, previous].some((each) => each && selects(each.metadata.labels ?? {}));
  return isSelected ? meant : undefined;
}

function ruledKind(
  { rules = [], matchPolicy }: Webhook,
  request: AdmissionRequest,
  equivalents: (kind: Kind) => readonly Kind[],
): Kind | undefined {
  const names = (kind: Kind): boolean =>
    rules.some((rule) => matchesRule(rule, { ...request, kind }));
  if (names(request.kind)) return request.kind;
  // A subresource that is an object of its own is the same in every version.
  if (matchPolicy === 'Exact' || request.view) return undefined;
  return equivalents(request.kind).find(names);
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
