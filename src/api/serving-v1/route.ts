import { SERVING_WEBHOOK, servingKeys } from '#api/serving-v1/serving-keys.ts';
import { defineKind, type ObjectOf } from '#api/kind.ts';
import { conditioned, readyColumns } from '#api/meta/conditions.ts';
import { array, object, optional, string } from '#api/schema.ts';
import {
  defaultAuthors,
  metadataErrors,
  ownerLabelErrors,
  rolloutErrors,
} from '#api/serving-v1/serving-metadata.ts';
import {
  defaultTrafficTarget,
  TrafficTarget,
  trafficErrors,
} from '#api/serving-v1/traffic-target.ts';

/** What a Route says of where it leads, and a Service after it. */
export const routed = {
  url: optional(string()),
  address: optional(
    object({
      url: optional(string()),
      name: optional(string()),
      CACerts: optional(string()),
      audience: optional(string()),
    }),
  ),
  traffic: optional(array(TrafficTarget)),
} as const;

/** Hosts that lead to Revisions, in shares. */
export type Route = ObjectOf<typeof Route>;
export const Route = defineKind({
  group: 'serving.knative.dev',
  version: 'v1',
  kind: 'Route',
  plural: 'routes',
  shortNames: ['rt'],
  categories: ['all', 'knative', 'serving'],
  scope: 'Namespaced',
  webhook: SERVING_WEBHOOK,
  ducks: ['addressable'],
  spec: object({ traffic: optional(array(TrafficTarget)) }),
  status: object({ ...conditioned, ...routed }),
  conditions: {
    happy: 'Ready',
    dependents: ['AllTrafficAssigned', 'IngressReady', 'CertificateProvisioned'],
  },
  columns: [{ name: 'URL', type: 'string', jsonPath: '.status.url' }, ...readyColumns],
  default(route, context) {
    route.spec ??= {};
    for (const target of route.spec.traffic ?? []) defaultTrafficTarget(target);
    defaultAuthors(route, context);
  },
  validate(route, context) {
    return [
      ...metadataErrors(route, context),
      ...rolloutErrors(route.metadata),
      ...ownerLabelErrors(route.metadata, servingKeys.service, 'Service'),
      ...trafficErrors(route.spec?.traffic ?? [], 'Route'),
    ];
  },
});
