import { defineKind, type ObjectOf } from '#api/kind.ts';
import { conditioned, readyColumns } from '#api/meta/conditions.ts';
import { integer, object, optional, string } from '#api/schema.ts';

/** How many pods a revision shall have; scaled to zero it is not Ready, and its Revision is. */
export type PodAutoscaler = ObjectOf<typeof PodAutoscaler>;
export const PodAutoscaler = defineKind({
  group: 'autoscaling.internal.knative.dev',
  version: 'v1alpha1',
  kind: 'PodAutoscaler',
  plural: 'podautoscalers',
  shortNames: ['kpa', 'pa'],
  categories: ['knative-internal', 'autoscaling'],
  scope: 'Namespaced',
  spec: object({
    containerConcurrency: optional(integer({ format: 'int64' })),
    protocolType: string<'http1' | 'h2c'>(),
    /** `''`: not known yet, which counts as reachable. */
    reachability: optional(string<'' | 'Reachable' | 'Unreachable'>()),
    scaleTargetRef: object({
      apiVersion: optional(string()),
      kind: optional(string()),
      name: optional(string()),
    }),
  }),
  status: object({
    ...conditioned,
    serviceName: optional(string()),
    metricsServiceName: optional(string()),
    desiredScale: optional(integer({ format: 'int32' })),
    actualScale: optional(integer({ format: 'int32' })),
  }),
  conditions: { happy: 'Ready', dependents: ['Active', 'ScaleTargetInitialized', 'SKSReady'] },
  columns: [
    { name: 'DesiredScale', type: 'integer', jsonPath: '.status.desiredScale' },
    { name: 'ActualScale', type: 'integer', jsonPath: '.status.actualScale' },
    ...readyColumns,
  ],
});
