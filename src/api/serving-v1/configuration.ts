import { SERVING_WEBHOOK } from '#api/serving-v1/serving-keys.ts';
import { defineKind, type ObjectOf } from '#api/kind.ts';
import { conditioned, readyColumns } from '#api/meta/conditions.ts';
import { object, optional, string } from '#api/schema.ts';
import { defaultRevisionSpec } from '#api/serving-v1/revision-defaults.ts';
import { templateErrors } from '#api/serving-v1/revision-errors.ts';
import { RevisionTemplate } from '#api/serving-v1/revision-template.ts';
import { defaultAuthors, metadataErrors } from '#api/serving-v1/serving-metadata.ts';

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
    defaultTemplate(configuration, context.previous);
    defaultAuthors(configuration, context);
  },
  validate(configuration, context) {
    return [
      ...metadataErrors(configuration, context),
      ...templateErrors(configuration, context.previous),
    ];
  },
});

interface Templated {
  readonly spec?: { template?: RevisionTemplate };
}

/**
 * Fills in the template of a Service or Configuration. A template whose name the user chose and kept is left alone: new
 * defaults would change what that name stands for.
 */
export function defaultTemplate(object: Templated, previous: Templated | undefined): void {
  if (!object.spec) return;
  const template = (object.spec.template ??= {});
  const name = template.metadata?.name;
  if (name && previous?.spec?.template?.metadata?.name === name) return;
  defaultRevisionSpec((template.spec ??= {}));
}
