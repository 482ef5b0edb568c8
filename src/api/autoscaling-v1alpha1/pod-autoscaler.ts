import { scaleAnnotationErrors } from '#api/autoscaling-v1alpha1/scale-annotation-errors.ts';
import {
  HPA_CLASS,
  KPA_CLASS,
  parseScaleAnnotations,
  SCALE_PREFIX,
} from '#api/autoscaling-v1alpha1/scale-annotations.ts';
import { defineKind, type ObjectOf } from '#api/kind.ts';
import { conditioned, readyColumns } from '#api/meta/conditions.ts';
import { boundErrors, isSet, missing } from '#api/meta/knative-error.ts';
import { PROTOCOLS, referenceErrors, wordErrors } from '#api/meta/knative-reference.ts';
import { integer, object, optional, string } from '#api/schema.ts';
import { defaultSettings } from '#api/serving-config/config-maps.ts';
import { SERVING_WEBHOOK } from '#api/serving-v1/serving-keys.ts';
import { nameErrors } from '#api/serving-v1/serving-metadata.ts';

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
  webhook: SERVING_WEBHOOK,
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
  default({ metadata }, { serving = defaultSettings }) {
    const { class: scaler, metric } = parseScaleAnnotations(metadata.annotations);
    const chosen = scaler ?? serving.autoscaler.podAutoscalerClass;
    const usual = METRICS[chosen];
    metadata.annotations = {
      ...metadata.annotations,
      [`${SCALE_PREFIX}class`]: chosen,
      ...(metric === undefined && usual && { [`${SCALE_PREFIX}metric`]: usual }),
    };
  },
  validate(autoscaler, { serving = defaultSettings }) {
    const { metadata } = autoscaler;
    const { annotations = {} } = metadata;
    const inMetadata = [
      ...nameErrors(metadata),
      ...scaleAnnotationErrors(annotations, 'metadata.annotations', serving.autoscaler),
    ];
    // The schema lets an absent spec through, as upstream's does.
    const spec: Partial<typeof autoscaler.spec> | undefined = autoscaler.spec;
    const { scaleTargetRef = {}, containerConcurrency = 0, protocolType = '' } = spec ?? {};
    const isEmpty =
      !protocolType &&
      !containerConcurrency &&
      !spec?.reachability &&
      !Object.values(scaleTargetRef).some(isSet);
    if (isEmpty) return [...inMetadata, missing('spec')];
    const { allowsConcurrencyZero, containerConcurrencyMax } = serving.defaults;
    const concurrency = { low: allowsConcurrencyZero ? 0 : 1, high: containerConcurrencyMax };
    return [
      ...inMetadata,
      ...referenceErrors(scaleTargetRef, 'spec.scaleTargetRef'),
      ...boundErrors(containerConcurrency, concurrency, 'spec.containerConcurrency'),
      ...wordErrors(protocolType, PROTOCOLS, 'spec.protocolType'),
    ];
  },
});

/** By what a class scales where nobody says. */
const METRICS: Readonly<Record<string, string>> = {
  [KPA_CLASS]: 'concurrency',
  [HPA_CLASS]: 'cpu',
};
