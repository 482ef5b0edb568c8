import { isDeepStrictEqual } from 'node:util';
import { matchLabelSelector } from '#api/meta/selector.ts';
import { ClusterRole } from '#api/rbac-v1/cluster-role.ts';
import { defineController, keyOf, on } from '#reconcile/controller.ts';

type Rules = NonNullable<ClusterRole['rules']>;

/** Writes into ClusterRoles that aggregate what they gather, so that everybody who reads one sees what it allows. */
export const clusterRoleController = defineController<ClusterRole>({
  kind: ClusterRole,
  watches: [
    on(ClusterRole, (role, known) =>
      known
        .list(ClusterRole)
        .filter((parent) => gathers(parent, role))
        .map((parent) => keyOf(parent)),
    ),
  ],
  async reconcile(role, { client }) {
    if (!role.aggregationRule) return {};
    const { items } = await client.list(ClusterRole);
    const children = items
      .filter((child) => gathers(role, child))
      .toSorted((a, b) => ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1));
    const rules = distinct(children.flatMap((child) => child.rules ?? []));
    if (!isDeepStrictEqual(rules, role.rules ?? []))
      await client.update(ClusterRole, { ...role, rules });
    return {};
  },
});

function gathers(parent: ClusterRole, child: ClusterRole): boolean {
  if (parent.metadata.name === child.metadata.name) return false;
  const selectors = parent.aggregationRule?.clusterRoleSelectors ?? [];
  return selectors.some((selector) => matchLabelSelector(selector)(child.metadata.labels));
}

function distinct(rules: Rules): Rules {
  return rules.filter(
    (rule, at) => rules.findIndex((other) => isDeepStrictEqual(rule, other)) === at,
  );
}
