import { forbidden, invalid, notFound } from '#api/meta/api-error.ts';
import type { PolicyRule, RoleRef } from '#api/generated/rbac-v1.ts';
import type { Kind } from '#api/kind.ts';
import { ClusterRoleBinding } from '#api/rbac-v1/cluster-role-binding.ts';
import { ClusterRole } from '#api/rbac-v1/cluster-role.ts';
import { RoleBinding } from '#api/rbac-v1/role-binding.ts';
import { Role } from '#api/rbac-v1/role.ts';
import { breakDown, ruleCovers } from '#apiserver/authorization/policy-rule.ts';
import type { RbacObject, RbacObjects } from '#apiserver/authorization/rbac-objects.ts';
import { grantsOf, isMaster, rulesOf } from '#apiserver/authorization/rbac.ts';
import type { Authorizer, User } from '#apiserver/user.ts';

/** An RBAC object about to be created or replaced, as it will be stored. */
interface RbacWrite {
  readonly user: User;
  readonly object: RbacObject;
  /** What it replaces. */
  readonly previous?: RbacObject;
}

/** Throws Forbidden where `write` would give anybody more than its author holds. For admission. */
export type EscalationCheck = (write: RbacWrite) => Promise<void>;

/**
 * Nobody may grant what they do not hold: a role's rules, and those of a role being bound, must all be held by the author
 * where the role counts, unless the author may `escalate` roles or `bind` that role. An unchanged grant passes, so that
 * metadata can be edited.
 */
export function escalationCheck(objects: RbacObjects, authorizer: Authorizer): EscalationCheck {
  return async (write) => {
    if (isMaster(write.user)) return;
    if ('roleRef' in write.object) await checkBinding(objects, authorizer, write, write.object);
    else await checkRole(objects, authorizer, write, write.object);
  };
}

const kinds: Readonly<Record<string, Kind>> = {
  Role,
  ClusterRole,
  RoleBinding,
  ClusterRoleBinding,
};

async function checkRole(
  objects: RbacObjects,
  authorizer: Authorizer,
  { user, previous }: RbacWrite,
  role: Role | ClusterRole,
): Promise<void> {
  const before = previous && !('roleRef' in previous) ? previous : undefined;
  const aggregation = 'aggregationRule' in role ? role.aggregationRule : undefined;
  const aggregationBefore =
    before && 'aggregationRule' in before ? before.aggregationRule : undefined;
  if (before && isSame([before.rules, aggregationBefore], [role.rules, aggregation])) return;
  const kind = kinds[role.kind] ?? Role;
  const { namespace, name = '' } = role.metadata;
  if (await mayAct(authorizer, user, { verb: 'escalate', kind, name, namespace })) return;
  const everything: PolicyRule[] = [
    { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
    { verbs: ['*'], nonResourceURLs: ['*'] },
  ];
  if (aggregation && notHeld(objects, user, { namespace, rules: everything }).length > 0) {
    throw forbidden(kind, name, 'must have cluster-admin privileges to use the aggregationRule');
  }
  refuseUnlessHeld(objects, user, { kind, name, namespace, rules: role.rules ?? [] });
}

async function checkBinding(
  objects: RbacObjects,
  authorizer: Authorizer,
  { user, previous }: RbacWrite,
  binding: RoleBinding | ClusterRoleBinding,
): Promise<void> {
  const { roleRef, subjects } = binding;
  const kind = kinds[binding.kind] ?? RoleBinding;
  const { namespace, name = '' } = binding.metadata;
  if (previous && 'roleRef' in previous) {
    if (!isSame(roleTarget(previous.roleRef), roleTarget(roleRef))) {
      throw invalid(kind, name, [{ path: 'roleRef', message: 'cannot change roleRef' }]);
    }
    if (isSame(previous.subjects, subjects)) return;
  }
  const role = kinds[roleRef.kind] ?? ClusterRole;
  if (await mayAct(authorizer, user, { verb: 'bind', kind: role, name: roleRef.name, namespace })) {
    return;
  }
  const exists =
    roleRef.kind === 'Role'
      ? objects.role(namespace ?? '', roleRef.name)
      : objects.clusterRole(roleRef.name);
  // Kubernetes' own server names the binding's resource here and not the role's; clients see its words.
  if (!exists) throw notFound(kind, roleRef.name);
  const rules = rulesOf(objects, roleRef, namespace);
  refuseUnlessHeld(objects, user, { kind, name, namespace, rules });
}

interface Wanted {
  readonly namespace: string | undefined;
  readonly rules: readonly PolicyRule[];
}

function refuseUnlessHeld(
  objects: RbacObjects,
  user: User,
  wanted: Wanted & { readonly kind: Kind; readonly name: string },
): void {
  const missing = notHeld(objects, user, wanted);
  if (missing.length === 0) return;
  const groups = quoted(user.groups);
  const lines = compact(missing).map(ruleText).toSorted();
  throw forbidden(
    wanted.kind,
    wanted.name,
    `user ${JSON.stringify(user.name)} (groups=${groups}) is attempting to grant RBAC permissions not currently held:\n${lines.join('\n')}`,
  );
}

function notHeld(objects: RbacObjects, user: User, { namespace, rules }: Wanted): PolicyRule[] {
  const held = [...grantsOf(objects, user, namespace)].flatMap((grant) => grant.rules);
  return rules
    .flatMap(breakDown)
    .filter((wanted) => !held.some((rule) => ruleCovers(rule, wanted)));
}

async function mayAct(
  authorizer: Authorizer,
  user: User,
  act: {
    readonly verb: 'bind' | 'escalate';
    readonly kind: Kind;
    readonly name: string;
    readonly namespace: string | undefined;
  },
): Promise<boolean> {
  const { group, version, plural } = act.kind;
  const { name, namespace } = act;
  const resource = { group, version, plural, name, ...(namespace && { namespace }) };
  return (await authorizer({ user, verb: act.verb, resource })).allowed;
}

function roleTarget({ apiGroup, kind, name }: RoleRef): readonly string[] {
  return [apiGroup, kind, name];
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** Joins rules that differ only in their verb, as Kubernetes does before it names them. */
function compact(rules: readonly PolicyRule[]): PolicyRule[] {
  const joined = new Map<string, PolicyRule>();
  for (const { verbs, ...rest } of rules) {
    const key = JSON.stringify(rest);
    joined.set(key, { ...rest, verbs: [...(joined.get(key)?.verbs ?? []), ...verbs] });
  }
  return [...joined.values()];
}

/** `{APIGroups:[""], Resources:["pods"], Verbs:["list" "get"]}`, as Kubernetes writes a rule. */
function ruleText(rule: PolicyRule): string {
  const parts = [
    rule.nonResourceURLs && `NonResourceURLs:${quoted(rule.nonResourceURLs)}`,
    rule.apiGroups && `APIGroups:${quoted(rule.apiGroups)}`,
    rule.resources && `Resources:${quoted(rule.resources)}`,
    rule.resourceNames && `ResourceNames:${quoted(rule.resourceNames)}`,
    `Verbs:${quoted(rule.verbs)}`,
  ];
  return `{${parts.filter(Boolean).join(', ')}}`;
}

function quoted(values: readonly string[]): string {
  return `[${values.map((value) => JSON.stringify(value)).join(' ')}]`;
}
