import { SERVING_WEBHOOK } from '#api/serving-v1/serving-keys.ts';
import { isDeepStrictEqual } from 'node:util';
import { defineKind, type ObjectOf } from '#api/kind.ts';
import { scaleAnnotationErrors } from '#api/autoscaling-v1alpha1/scale-annotations.ts';
import { conditioned, readyColumns } from '#api/meta/conditions.ts';
import { array, integer, object, optional, string } from '#api/schema.ts';
import { defaultRevisionSpec } from '#api/serving-v1/revision-defaults.ts';
import { revisionSpecErrors } from '#api/serving-v1/revision-errors.ts';
import { RevisionSpec } from '#api/serving-v1/revision-template.ts';

const containerStatuses = array(
  object({ name: optional(string()), imageDigest: optional(string()) }),
);

/** One version of code and configuration; its spec never changes. */
export type Revision = ObjectOf<typeof Revision>;
export const Revision = defineKind({
  group: 'serving.knative.dev',
  version: 'v1',
  kind: 'Revision',
  plural: 'revisions',
  shortNames: ['rev'],
  categories: ['all', 'knative', 'serving'],
  scope: 'Namespaced',
  webhook: SERVING_WEBHOOK,
  spec: RevisionSpec,
  status: object({
    ...conditioned,
    logUrl: optional(string()),
    containerStatuses: optional(containerStatuses),
    initContainerStatuses: optional(containerStatuses),
    actualReplicas: optional(integer({ format: 'int32' })),
    desiredReplicas: optional(integer({ format: 'int32' })),
  }),
  conditions: { happy: 'Ready', dependents: ['ResourcesAvailable', 'ContainerHealthy'] },
  columns: [
    {
      name: 'Config Name',
      type: 'string',
      jsonPath: ".metadata.labels['serving\\.knative\\.dev/configuration']",
    },
    {
      name: 'Generation',
      type: 'string',
      jsonPath: ".metadata.labels['serving\\.knative\\.dev/configurationGeneration']",
    },
    ...readyColumns,
    { name: 'Actual Replicas', type: 'integer', jsonPath: '.status.actualReplicas' },
    { name: 'Desired Replicas', type: 'integer', jsonPath: '.status.desiredReplicas' },
  ],
  default(revision, { previous }) {
    if (previous) return;
    defaultRevisionSpec((revision.spec ??= {}));
  },
  validate(revision, { previous }) {
    const annotations = revision.metadata.annotations ?? {};
    const errors = scaleAnnotationErrors(annotations, 'metadata.annotations');
    if (previous && !isDeepStrictEqual(previous.spec, revision.spec)) {
      return [...errors, { path: 'spec', message: 'Immutable fields changed (-old +new)' }];
    }
    return previous ? errors : [...errors, ...revisionSpecErrors(revision.spec, 'spec')];
  },
});
