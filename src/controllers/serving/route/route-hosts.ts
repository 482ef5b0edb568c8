import type { Route } from '#api/serving-v1/route.ts';
import { networkingKeys } from '#api/networking-v1alpha1/networking-keys.ts';
import { placeOf } from '#controllers/serving/ensure-owned.ts';
import type { ServingConfig } from '#controllers/serving/serving-config.ts';

/** The hosts of a Route, or of one of its tags. */
export interface RouteHosts {
  /** The short and long names inside the cluster. */
  readonly local: readonly string[];
  /** Absent where the Route is only for the cluster. */
  readonly public?: string;
}

/** Also the name of the placeholder Service. */
export function hostName(route: Route, tag: string): string {
  const { name } = placeOf(route.metadata);
  return tag === '' ? name : `${tag}-${name}`;
}

/** `labels` of the placeholder Service of the tag: a user makes one tag private with them. */
export function routeHosts(
  route: Route,
  {
    tag,
    labels,
  }: { readonly tag: string; readonly labels: Readonly<Record<string, string>> | undefined },
  config: ServingConfig,
): RouteHosts {
  const { namespace } = placeOf(route.metadata);
  const host = hostName(route, tag);
  const { visibility } = networkingKeys;
  const isLocal = [route.metadata.labels, labels].some(
    (those) => those?.[visibility] === 'cluster-local',
  );
  return {
    local: [
      `${host}.${namespace}`,
      `${host}.${namespace}.svc`,
      `${host}.${namespace}.svc.${config.clusterDomain}`,
    ],
    ...(!isLocal && { public: `${host}.${namespace}.${config.domain}` }),
  };
}

/** Where a client outside reaches the hosts, or inside where there is no outside. */
export function urlOf(hosts: RouteHosts, config: ServingConfig): string {
  if (hosts.public === undefined) return `http://${hosts.local.at(-1)}`;
  const port = config.publicPort === 80 ? '' : `:${config.publicPort}`;
  return `http://${hosts.public}${port}`;
}
