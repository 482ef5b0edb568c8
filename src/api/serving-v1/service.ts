import { SERVING_WEBHOOK } from '#api/serving-v1/serving-keys.ts';
import { defineKind, type ObjectOf } from '#api/kind.ts';
import { conditioned, readyColumns } from '#api/meta/conditions.ts';
import { array, object, optional, string } from '#api/schema.ts';
import { defaultTemplate } from '#api/serving-v1/configuration.ts';
import { complaintLines } from '#api/meta/api-error.ts';
import { templateErrors, templateWarnings } from '#api/serving-v1/revision-errors.ts';
import { RevisionTemplate } from '#api/serving-v1/revision-template.ts';
import { defaultAuthors, metadataErrors, rolloutErrors } from '#api/serving-v1/serving-metadata.ts';
import { routed } from '#api/serving-v1/route.ts';
import {
  defaultTrafficTarget,
  TrafficTarget,
  trafficErrors,
} from '#api/serving-v1/traffic-target.ts';

/** What a user deploys: a Configuration and a Route in one. */
export type Service = ObjectOf<typeof Service>;
export const Service = defineKind({
  group: 'serving.knative.dev',
  version: 'v1',
  kind: 'Service',
  plural: 'services',
  shortNames: ['kservice', 'ksvc'],
  categories: ['all', 'knative', 'serving'],
  scope: 'Namespaced',
  webhook: SERVING_WEBHOOK,
  ducks: ['addressable', 'podspecable'],
  spec: object({
    template: optional(RevisionTemplate),
    traffic: optional(array(TrafficTarget)),
  }),
  status: object({
    ...conditioned,
    ...routed,
    latestCreatedRevisionName: optional(string()),
    latestReadyRevisionName: optional(string()),
  }),
  conditions: { happy: 'Ready', dependents: ['ConfigurationsReady', 'RoutesReady'] },
  columns: [
    { name: 'URL', type: 'string', jsonPath: '.status.url' },
    { name: 'LatestCreated', type: 'string', jsonPath: '.status.latestCreatedRevisionName' },
    { name: 'LatestReady', type: 'string', jsonPath: '.status.latestReadyRevisionName' },
    ...readyColumns,
  ],
  default(service, context) {
    service.spec ??= {};
    defaultTemplate(service, context);
    if ((service.spec.traffic ?? []).length === 0) {
      service.spec.traffic = [{ latestRevision: true, percent: 100 }];
    }
    for (const target of service.spec.traffic ?? []) defaultTrafficTarget(target);
    defaultAuthors(service, context);
  },
  validate(service, context) {
    return [
      ...metadataErrors(service, context),
      ...rolloutErrors(service.metadata),
      ...templateErrors(service, context),
      ...trafficErrors(service.spec?.traffic ?? [], 'Service'),
    ];
  },
  warnings: (service, context) => complaintLines(templateWarnings(service, context)),
});
