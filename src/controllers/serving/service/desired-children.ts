import { apiVersionOf } from '#api/kind.ts';
import { isOwnedBy } from '#api/meta/object-meta.ts';
import { Configuration } from '#api/serving-v1/configuration.ts';
import { Route } from '#api/serving-v1/route.ts';
import type { Service } from '#api/serving-v1/service.ts';
import { LAST_APPLIED, servingKeys } from '#api/serving-v1/serving-keys.ts';
import { placeOf, without } from '#controllers/serving/ensure-owned.ts';

export interface Existing {
  /** Whose Routes stay known to it. */
  readonly configuration: Configuration | undefined;
  readonly route: Route | undefined;
}

/** The Configuration of a Service, which the Route of the same name will lead to. */
export function desiredConfiguration(
  service: Service,
  { configuration, route }: Existing,
): Configuration {
  const { labels, annotations, uid = '' } = service.metadata;
  const { name, namespace } = placeOf(service.metadata);
  const { rolloutDuration, rolloutDurationAlias, routes } = servingKeys;
  // Named from the start, so that the first Revision is made active and not pending.
  // A Route of somebody else says itself where it leads.
  const own = route && !isOwnedBy(route, service) ? [] : [name];
  const known = (configuration?.metadata.annotations?.[routes] ?? '').split(',').filter(Boolean);
  const routeNames = [...new Set([...known, ...own])].toSorted();
  return {
    apiVersion: apiVersionOf(Configuration),
    kind: Configuration.kind,
    metadata: {
      name,
      namespace,
      labels: { ...labels, [servingKeys.service]: name, [servingKeys.serviceUid]: uid },
      annotations: {
        ...without(annotations, [LAST_APPLIED, rolloutDuration, rolloutDurationAlias]),
        ...(routeNames.length > 0 && { [routes]: routeNames.join(',') }),
      },
    },
    spec: { template: service.spec.template ?? {} },
  };
}

export function desiredRoute(service: Service): Route {
  const { labels, annotations } = service.metadata;
  const { name, namespace } = placeOf(service.metadata);
  return {
    apiVersion: apiVersionOf(Route),
    kind: Route.kind,
    metadata: {
      name,
      namespace,
      labels: { ...labels, [servingKeys.service]: name },
      annotations: without(annotations, [LAST_APPLIED]),
    },
    spec: {
      traffic: (service.spec.traffic ?? []).map((target) =>
        target.latestRevision ? { ...target, configurationName: name } : target,
      ),
    },
  };
}
