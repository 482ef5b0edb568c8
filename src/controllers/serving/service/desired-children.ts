import { apiVersionOf } from '#api/kind.ts';
import { Configuration } from '#api/serving-v1/configuration.ts';
import { Route } from '#api/serving-v1/route.ts';
import type { Service } from '#api/serving-v1/service.ts';
import { LAST_APPLIED, servingKeys } from '#api/serving-v1/serving-keys.ts';
import { placeOf, without } from '#controllers/serving/ensure-owned.ts';

/** The Configuration of a Service; `existing` is the one there is, whose Routes stay known to it. */
export function desiredConfiguration(
  service: Service,
  existing: Configuration | undefined,
): Configuration {
  const { labels, annotations, uid = '' } = service.metadata;
  const { name, namespace } = placeOf(service.metadata);
  const { rolloutDuration, rolloutDurationAlias, routes } = servingKeys;
  // Named from the start, so that the first Revision is made active and not pending.
  const routeNames = (existing?.metadata.annotations?.[routes] ?? '').split(',').filter(Boolean);
  return {
    apiVersion: apiVersionOf(Configuration),
    kind: Configuration.kind,
    metadata: {
      name,
      namespace,
      labels: { ...labels, [servingKeys.service]: name, [servingKeys.serviceUid]: uid },
      annotations: {
        ...without(annotations, [LAST_APPLIED, rolloutDuration, rolloutDurationAlias]),
        [routes]: [...new Set([...routeNames, name])].toSorted().join(','),
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
