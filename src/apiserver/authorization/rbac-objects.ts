import type { ClusterRoleBinding } from '#api/rbac-v1/cluster-role-binding.ts';
import type { ClusterRole } from '#api/rbac-v1/cluster-role.ts';
import type { RoleBinding } from '#api/rbac-v1/role-binding.ts';
import type { Role } from '#api/rbac-v1/role.ts';

export type RbacObject = Role | RoleBinding | ClusterRole | ClusterRoleBinding;

/**
 * The RBAC objects as they are now, in memory, for decisions that may not wait. Whoever follows the store puts every
 * change in (follow-rbac.ts); a decision sees a write as soon as it is put.
 */
export class RbacObjects {
  readonly #cluster = new Map<string, Map<string, RbacObject>>();
  readonly #namespaces = new Map<string, Map<string, Map<string, RbacObject>>>();

  put(object: RbacObject): void {
    const kinds = this.#kindsOf(object.metadata.namespace);
    let named = kinds.get(object.kind);
    if (!named) kinds.set(object.kind, (named = new Map()));
    named.set(object.metadata.name ?? '', object);
  }

  remove(object: RbacObject): void {
    const namespace = object.metadata.namespace;
    const kinds = this.#kindsOf(namespace);
    const named = kinds.get(object.kind);
    named?.delete(object.metadata.name ?? '');
    if (named?.size === 0) kinds.delete(object.kind);
    if (namespace !== undefined && kinds.size === 0) this.#namespaces.delete(namespace);
  }

  /** Forgets every object of one kind, before they are listed anew. */
  clear(kind: string): void {
    this.#cluster.delete(kind);
    for (const [namespace, kinds] of this.#namespaces) {
      kinds.delete(kind);
      if (kinds.size === 0) this.#namespaces.delete(namespace);
    }
  }

  role(namespace: string, name: string): Role | undefined {
    // Kept under its own kind's name by put().
    return this.#namespaces.get(namespace)?.get('Role')?.get(name) as Role | undefined;
  }

  clusterRole(name: string): ClusterRole | undefined {
    return this.#cluster.get('ClusterRole')?.get(name) as ClusterRole | undefined;
  }

  clusterRoles(): Iterable<ClusterRole> {
    return (this.#cluster.get('ClusterRole')?.values() ?? []) as Iterable<ClusterRole>;
  }

  roleBindings(namespace: string): Iterable<RoleBinding> {
    const bindings = this.#namespaces.get(namespace)?.get('RoleBinding')?.values();
    return (bindings ?? []) as Iterable<RoleBinding>;
  }

  clusterRoleBindings(): Iterable<ClusterRoleBinding> {
    const bindings = this.#cluster.get('ClusterRoleBinding')?.values();
    return (bindings ?? []) as Iterable<ClusterRoleBinding>;
  }

  #kindsOf(namespace: string | undefined): Map<string, Map<string, RbacObject>> {
    if (namespace === undefined) return this.#cluster;
    let kinds = this.#namespaces.get(namespace);
    if (!kinds) this.#namespaces.set(namespace, (kinds = new Map()));
    return kinds;
  }
}
