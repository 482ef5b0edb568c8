import type { ObjectReference } from '#api/generated/core-v1.ts';
import { defineKind, type ObjectOf } from '#api/kind.ts';
import { conditioned, readyColumns } from '#api/meta/conditions.ts';
import { invalidValue, isSet, missing } from '#api/meta/knative-error.ts';
import { PROTOCOLS, referenceErrors, wordErrors } from '#api/meta/knative-reference.ts';
import { core, integer, object, optional, string } from '#api/schema.ts';
import { networkingAnnotationErrors } from '#api/networking-v1alpha1/networking-annotation-errors.ts';
import { SERVING_WEBHOOK } from '#api/serving-v1/serving-keys.ts';

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
  webhook: SERVING_WEBHOOK,
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
  validate(service) {
    // The schema lets an absent spec through, as upstream's does.
    const spec: Partial<typeof service.spec> | undefined = service.spec;
    const { mode = '', protocolType = '', numActivators = 0, objectRef = {} } = spec ?? {};
    const inAnnotations = networkingAnnotationErrors(service.metadata.annotations, 'annotations');
    const isEmpty =
      !mode && !protocolType && !numActivators && !Object.values(objectRef).some(isSet);
    if (isEmpty) return [...inAnnotations, missing('spec')];
    return [
      ...inAnnotations,
      ...wordErrors(mode, ['Serve', 'Proxy'], 'spec.mode'),
      ...referenceErrors(objectRef, 'spec.objectRef'),
      ...wordErrors(protocolType, PROTOCOLS, 'spec.protocolType'),
      ...(numActivators < 0 ? [invalidValue(numActivators, 'spec.numActivators')] : []),
    ];
  },
});
