import type { ObjectReference } from '#api/generated/core-v1.ts';
import { defineKind, type ObjectOf } from '#api/kind.ts';
import { conditioned, readyColumns } from '#api/meta/conditions.ts';
import { core, integer, object, optional, string } from '#api/schema.ts';

/** The two Services of a revision: a public one that is always there and a private one that selects its pods. */
export type ServerlessService = ObjectOf<typeof ServerlessService>;
export const ServerlessService = defineKind({
  group: 'networking.internal.knative.dev',
  version: 'v1alpha1',
  kind: 'ServerlessService',
  plural: 'serverlessservices',
  shortNames: ['sks'],
  categories: ['knative-internal', 'networking'],
  scope: 'Namespaced',
  spec: object({
    mode: optional(string<'Serve' | 'Proxy'>()),
    objectRef: core<ObjectReference>('io.k8s.api.core.v1.ObjectReference'),
    protocolType: string<'http1' | 'h2c'>(),
    numActivators: optional(integer({ format: 'int32' })),
  }),
  status: object({
    ...conditioned,
    serviceName: optional(string()),
    privateServiceName: optional(string()),
  }),
  conditions: { happy: 'Ready', dependents: ['EndpointsPopulated'] },
  columns: [
    { name: 'Mode', type: 'string', jsonPath: '.spec.mode' },
    { name: 'Activators', type: 'integer', jsonPath: '.spec.numActivators' },
    { name: 'ServiceName', type: 'string', jsonPath: '.status.serviceName' },
    { name: 'PrivateServiceName', type: 'string', jsonPath: '.status.privateServiceName' },
    ...readyColumns,
  ],
});
