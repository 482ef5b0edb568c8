import { scaleAnnotationErrors } from '#api/autoscaling-v1alpha1/scale-annotation-errors.ts';
import { defineKind, type ObjectOf } from '#api/kind.ts';
import { conditioned, readyColumns } from '#api/meta/conditions.ts';
import { isSet, missing } from '#api/meta/knative-error.ts';
import { integer, object, string } from '#api/schema.ts';
import { defaultSettings } from '#api/serving-config/config-maps.ts';
import { SERVING_WEBHOOK } from '#api/serving-v1/serving-keys.ts';
import { nameErrors } from '#api/serving-v1/serving-metadata.ts';

/** What is measured of a revision, and over how long. */
export type Metric = ObjectOf<typeof Metric>;
export const Metric = defineKind({
  group: 'autoscaling.internal.knative.dev',
  version: 'v1alpha1',
  kind: 'Metric',
  plural: 'metrics',
  categories: ['knative-internal', 'autoscaling'],
  scope: 'Namespaced',
  webhook: SERVING_WEBHOOK,
  spec: object({
    /** In nanoseconds, as Go has durations. */
    stableWindow: integer({ format: 'int64' }),
    panicWindow: integer({ format: 'int64' }),
    /** The Service whose pods are asked; empty: none are. */
    scrapeTarget: string(),
  }),
  status: object(conditioned),
  conditions: { happy: 'Ready', dependents: [] },
  columns: readyColumns,
  validate({ metadata, spec }, { serving = defaultSettings }) {
    const { annotations = {} } = metadata;
    return [
      ...(Object.values(spec ?? {}).some(isSet) ? [] : [missing('spec')]),
      ...nameErrors(metadata),
      ...scaleAnnotationErrors(annotations, 'metadata.annotations', serving.autoscaler),
    ];
  },
});
