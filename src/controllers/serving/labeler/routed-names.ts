import type { Configuration } from '#api/serving-v1/configuration.ts';
import type { Revision } from '#api/serving-v1/revision.ts';
import type { Route } from '#api/serving-v1/route.ts';
import { servingKeys } from '#api/serving-v1/serving-keys.ts';

export interface RoutedNames {
  readonly configurations: ReadonlySet<string>;
  readonly revisions: ReadonlySet<string>;
}

/**
 * What a Route leads to or is about to lead to: the targets of its spec and of its status, and of a Configuration also
 * the Revision that was created last, which shall have come up before it gets traffic.
 */
export function routedNames(
  route: Route,
  {
    configurations,
    revisions,
  }: { readonly configurations: readonly Configuration[]; readonly revisions: readonly Revision[] },
): RoutedNames {
  const named = { configurations: new Set<string>(), revisions: new Set<string>() };
  // Its Service names it there whatever the traffic is; were the name cleared here, the two would never come to rest.
  const service = route.metadata.labels?.[servingKeys.service];
  if (service !== undefined) named.configurations.add(service);
  for (const target of [...(route.spec.traffic ?? []), ...(route.status?.traffic ?? [])]) {
    const { configurationName, revisionName, latestRevision } = target;
    if (revisionName) named.revisions.add(revisionName);
    const revision = revisions.find(({ metadata }) => metadata.name === revisionName);
    const owner = latestRevision && revision?.metadata.labels?.[servingKeys.configuration];
    const followed = configurationName || owner;
    if (!followed) continue;
    named.configurations.add(followed);
    const configuration = configurations.find(({ metadata }) => metadata.name === followed);
    const latest = configuration?.status?.latestCreatedRevisionName;
    if (latest) named.revisions.add(latest);
  }
  return named;
}
