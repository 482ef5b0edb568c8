import type { PolicyRule } from '#api/generated/rbac-v1.ts';
import type { Attributes } from '#apiserver/user.ts';

/** Whether one RBAC rule allows what is asked. A rule is about resources or about paths, never both. */
export function ruleAllows(rule: PolicyRule, { verb, resource, path }: Attributes): boolean {
  if (!includes(rule.verbs, verb)) return false;
  if (!resource) return (rule.nonResourceURLs ?? []).some((url) => coversPath(url, path ?? ''));
  return (
    includes(rule.apiGroups, resource.group) &&
    includesResource(rule.resources ?? [], resource.plural, resource.subresource) &&
    includesName(rule.resourceNames, resource.name)
  );
}

/** Whether `held` includes all of `wanted`, which names one group, resource, name, path and verb at most. */
export function ruleCovers(held: PolicyRule, wanted: PolicyRule): boolean {
  if (!everyIn(wanted.verbs, held.verbs)) return false;
  if (wanted.nonResourceURLs) {
    return wanted.nonResourceURLs.every((url) =>
      (held.nonResourceURLs ?? []).some((own) => coversPath(own, url)),
    );
  }
  const names = wanted.resourceNames ?? [];
  const heldNames = held.resourceNames ?? [];
  return (
    everyIn(wanted.apiGroups ?? [], held.apiGroups) &&
    (wanted.resources ?? []).every((resource) => {
      const [plural = '', subresource] = resource.split('/');
      return includesResource(held.resources ?? [], plural, subresource);
    }) &&
    // Without names the wanted rule is about every name, which a rule with names never covers.
    (heldNames.length === 0 ||
      (names.length > 0 && names.every((name) => heldNames.includes(name))))
  );
}

/** The rule as rules of one verb and one group, resource and name (or path) each. */
export function breakDown(rule: PolicyRule): PolicyRule[] {
  const broken: PolicyRule[] = [];
  for (const verb of rule.verbs) {
    for (const url of rule.nonResourceURLs ?? []) {
      broken.push({ verbs: [verb], nonResourceURLs: [url] });
    }
    for (const group of rule.apiGroups ?? []) {
      for (const resource of rule.resources ?? []) {
        const one = { verbs: [verb], apiGroups: [group], resources: [resource] };
        const names = rule.resourceNames ?? [];
        if (names.length === 0) broken.push(one);
        for (const name of names) broken.push({ ...one, resourceNames: [name] });
      }
    }
  }
  return broken;
}

function includes(values: readonly string[] | undefined, wanted: string): boolean {
  return values?.some((value) => value === '*' || value === wanted) ?? false;
}

function everyIn(wanted: readonly string[], held: readonly string[] | undefined): boolean {
  return wanted.every((value) => includes(held, value));
}

function includesResource(
  resources: readonly string[],
  plural: string,
  subresource: string | undefined,
): boolean {
  const wanted = subresource === undefined ? plural : `${plural}/${subresource}`;
  const anyPlural = subresource === undefined ? undefined : `*/${subresource}`;
  return resources.some((value) => value === '*' || value === wanted || value === anyPlural);
}

function includesName(names: readonly string[] | undefined, wanted: string | undefined): boolean {
  if (!names || names.length === 0) return true;
  return wanted !== undefined && names.includes(wanted);
}

/** `*` covers every path and `/apis/*` every path that begins so; the rest must be equal. */
function coversPath(url: string, path: string): boolean {
  if (url === '*' || url === path) return true;
  return url.endsWith('*') && path.startsWith(url.slice(0, -1));
}
