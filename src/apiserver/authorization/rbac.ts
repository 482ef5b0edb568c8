import type { PolicyRule, RoleRef, Subject } from '#api/generated/rbac-v1.ts';
import type { ClusterRole } from '#api/rbac-v1/cluster-role.ts';
import { aggregates } from '#apiserver/authorization/aggregation.ts';
import { ruleAllows } from '#apiserver/authorization/policy-rule.ts';
import type { RbacObjects } from '#apiserver/authorization/rbac-objects.ts';
import type { Authorizer, Decision, User } from '#apiserver/user.ts';

/** Members may do everything, whatever the RBAC objects say: so nobody can lock the platform out of itself. */
const MASTERS = 'system:masters';

/** Rules that a user holds, and which binding gives them. */
export interface Grant {
  readonly rules: readonly PolicyRule[];
  /** `ClusterRoleBinding "x" of ClusterRole "y" to User "z"`, as Kubernetes says why it allowed. */
  readonly by: string;
  /** Where the grant is of the whole cluster and not of one namespace; only such rules reach paths. */
  readonly isClusterWide: boolean;
}

/** Decides by Kubernetes' RBAC over `objects`. Nothing is denied by a rule; what no rule allows is not allowed. */
export function rbacAuthorizer(objects: RbacObjects): Authorizer {
  // Not async inside: a decision is a look into memory, made once for each request.
  return (attributes) => {
    if (isMaster(attributes.user)) return Promise.resolve({ allowed: true, reason: '' });
    for (const grant of grantsOf(objects, attributes.user, attributes.resource?.namespace)) {
      if (grant.rules.some((rule) => ruleAllows(rule, attributes))) {
        return Promise.resolve(allowedBy(grant));
      }
    }
    return Promise.resolve({ allowed: false, reason: '' });
  };
}

export function isMaster(user: User): boolean {
  return user.groups.includes(MASTERS);
}

/** Every rule that counts for `user` in a namespace, or in the whole cluster where there is none. */
export function* grantsOf(
  objects: RbacObjects,
  user: User,
  namespace: string | undefined,
): Generator<Grant, void, undefined> {
  for (const binding of objects.clusterRoleBindings()) {
    const subject = binding.subjects?.find((candidate) => isSubject(candidate, user, undefined));
    if (!subject) continue;
    const rules = rulesOf(objects, binding.roleRef, undefined);
    const by = `ClusterRoleBinding "${binding.metadata.name}" of ${roleText(binding.roleRef)}`;
    yield { rules, by: `${by} to ${subjectText(subject)}`, isClusterWide: true };
  }
  if (namespace === undefined || namespace === '') return;
  for (const binding of objects.roleBindings(namespace)) {
    const subject = binding.subjects?.find((candidate) => isSubject(candidate, user, namespace));
    if (!subject) continue;
    const rules = rulesOf(objects, binding.roleRef, namespace);
    const by = `RoleBinding "${binding.metadata.name}/${namespace}" of ${roleText(binding.roleRef)}`;
    yield { rules, by: `${by} to ${subjectText(subject)}`, isClusterWide: false };
  }
}

/** The rules of a role; none where it does not exist. Roles live in `namespace`, ClusterRoles in none. */
export function rulesOf(
  objects: RbacObjects,
  reference: Pick<RoleRef, 'kind' | 'name'>,
  namespace: string | undefined,
): readonly PolicyRule[] {
  if (reference.kind === 'Role') {
    return objects.role(namespace ?? '', reference.name)?.rules ?? [];
  }
  const role = objects.clusterRole(reference.name);
  return role ? clusterRoleRules(objects, role) : [];
}

/**
 * The rules of a ClusterRole and, where it aggregates, of every role its selectors choose, through roles that aggregate
 * in turn (`admin` chooses `edit`, which chooses `view`).
 */
function clusterRoleRules(objects: RbacObjects, role: ClusterRole): readonly PolicyRule[] {
  if (!role.aggregationRule) return role.rules ?? [];
  const seen = new Set([role]);
  // A set grows while it is iterated, so what is added is visited too.
  for (const parent of seen) {
    if (!parent.aggregationRule) continue;
    for (const child of objects.clusterRoles()) {
      if (aggregates(parent.aggregationRule, child)) seen.add(child);
    }
  }
  return [...seen].flatMap((each) => each.rules ?? []);
}

function isSubject(subject: Subject, user: User, bindingNamespace: string | undefined): boolean {
  switch (subject.kind) {
    case 'User':
      return subject.name === user.name;
    case 'Group':
      return user.groups.includes(subject.name);
    case 'ServiceAccount': {
      const namespace = subject.namespace || bindingNamespace;
      return user.name === `system:serviceaccount:${namespace}:${subject.name}`;
    }
    default:
      return false;
  }
}

function allowedBy(grant: Grant): Decision {
  return { allowed: true, reason: `RBAC: allowed by ${grant.by}` };
}

function roleText(reference: RoleRef): string {
  return `${reference.kind} "${reference.name}"`;
}

function subjectText(subject: Subject): string {
  const name =
    subject.kind === 'ServiceAccount' ? `${subject.name}/${subject.namespace}` : subject.name;
  return `${subject.kind} "${name}"`;
}
