import { scaleAnnotationErrors } from '#api/autoscaling-v1alpha1/scale-annotation-errors.ts';
import { SERVING_WEBHOOK, servingKeys } from '#api/serving-v1/serving-keys.ts';
import { defineKind, type ObjectOf } from '#api/kind.ts';
import { complaintLines } from '#api/meta/api-error.ts';
import { conditioned, readyColumns } from '#api/meta/conditions.ts';
import { array, integer, object, optional, string } from '#api/schema.ts';
import { defaultSettings } from '#api/serving-config/config-maps.ts';
import { normalizeAmounts } from '#api/serving-v1/revision-amounts.ts';
import { defaultRevisionSpec } from '#api/serving-v1/revision-defaults.ts';
import { revisionSpecErrors } from '#api/serving-v1/pod-spec-errors.ts';
import { RevisionSpec } from '#api/serving-v1/revision-template.ts';
import { insecureDefaults } from '#api/serving-v1/security-errors.ts';
import { nameErrors, ownerLabelErrors } from '#api/serving-v1/serving-metadata.ts';
import { shortDiff } from '#api/serving-v1/short-diff.ts';

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
  default(revision, { operation, previous, serving: settings = defaultSettings }) {
    if (revision.spec) normalizeAmounts(revision.spec);
    if (previous) return;
    defaultRevisionSpec((revision.spec ??= {}), { owner: revision.metadata, settings, operation });
  },
  validate(revision, { previous, serving: settings = defaultSettings }) {
    const { metadata, spec } = revision;
    const details = previous ? shortDiff(previous.spec, spec, '{v1.RevisionSpec}') : '';
    if (details !== '') {
      return [{ path: 'spec', message: 'Immutable fields changed (-old +new)', details }];
    }
    const { annotations = {} } = metadata;
    return [
      ...nameErrors(metadata),
      ...ownerLabelErrors(metadata, servingKeys.configuration, 'Configuration'),
      ...scaleAnnotationErrors(annotations, 'metadata.annotations', settings.autoscaler),
      ...(previous ? [] : revisionSpecErrors(spec, 'spec', settings)),
    ];
  },
  warnings: ({ spec }, { previous, serving = defaultSettings }) =>
    previous ? [] : complaintLines(insecureDefaults(spec, 'spec', serving)),
});
