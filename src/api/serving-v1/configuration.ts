import { SERVING_WEBHOOK, servingKeys } from '#api/serving-v1/serving-keys.ts';
import { defineKind, type AdmissionContext, type ObjectOf } from '#api/kind.ts';
import { complaintLines } from '#api/meta/api-error.ts';
import { conditioned, readyColumns } from '#api/meta/conditions.ts';
import type { ObjectMeta } from '#api/meta/object-meta.ts';
import { object, optional, string } from '#api/schema.ts';
import { defaultSettings } from '#api/serving-config/config-maps.ts';
import { normalizeAmounts } from '#api/serving-v1/revision-amounts.ts';
import { defaultRevisionSpec } from '#api/serving-v1/revision-defaults.ts';
import { templateErrors, templateWarnings } from '#api/serving-v1/revision-errors.ts';
import { RevisionTemplate } from '#api/serving-v1/revision-template.ts';
import {
  defaultAuthors,
  metadataErrors,
  ownerLabelErrors,
} from '#api/serving-v1/serving-metadata.ts';

/** The template of Revisions: each change of it makes one. */
export type Configuration = ObjectOf<typeof Configuration>;
export const Configuration = defineKind({
  group: 'serving.knative.dev',
  version: 'v1',
  kind: 'Configuration',
  plural: 'configurations',
  shortNames: ['config', 'cfg'],
  categories: ['all', 'knative', 'serving'],
  scope: 'Namespaced',
  webhook: SERVING_WEBHOOK,
  ducks: ['podspecable'],
  spec: object({ template: optional(RevisionTemplate) }),
  status: object({
    ...conditioned,
    latestCreatedRevisionName: optional(string()),
    latestReadyRevisionName: optional(string()),
  }),
  conditions: { happy: 'Ready', dependents: [] },
  columns: [
    { name: 'LatestCreated', type: 'string', jsonPath: '.status.latestCreatedRevisionName' },
    { name: 'LatestReady', type: 'string', jsonPath: '.status.latestReadyRevisionName' },
    ...readyColumns,
  ],
  default(configuration, context) {
    configuration.spec ??= {};
    defaultTemplate(configuration, context);
    defaultAuthors(configuration, context);
  },
  validate(configuration, context) {
    return [
      ...metadataErrors(configuration, context),
      ...ownerLabelErrors(configuration.metadata, servingKeys.service, 'Service'),
      ...templateErrors(configuration, context),
    ];
  },
  warnings: (configuration, context) => complaintLines(templateWarnings(configuration, context)),
});

interface Templated {
  readonly metadata: ObjectMeta;
  readonly spec?: { template?: RevisionTemplate };
}

/**
 * Fills in the template of a Service or Configuration. A template whose name the user chose and kept is left alone: new
 * defaults would change what that name stands for.
 */
export function defaultTemplate(
  object: Templated,
  context: Pick<AdmissionContext<Templated>, 'previous' | 'serving' | 'operation'>,
): void {
  const { previous, serving = defaultSettings, operation } = context;
  if (!object.spec) return;
  const template = (object.spec.template ??= {});
  if (template.spec) normalizeAmounts(template.spec);
  const name = template.metadata?.name;
  if (name && previous?.spec?.template?.metadata?.name === name) return;
  defaultRevisionSpec((template.spec ??= {}), {
    owner: object.metadata,
    settings: serving,
    operation,
  });
}
