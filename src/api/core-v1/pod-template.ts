import { defaultPodSpec } from '#api/core-v1/pod-defaults.ts';
import { podTemplateErrors } from '#api/core-v1/pod-errors.ts';
import type { PodTemplate as Generated } from '#api/generated/core-v1.ts';
import { templateWarnings } from '#api/core-v1/pod-warnings.ts';
import { defineCoreKind } from '#api/kind.ts';

export type PodTemplate = Generated;
export const PodTemplate = defineCoreKind<PodTemplate>({
  group: '',
  version: 'v1',
  kind: 'PodTemplate',
  plural: 'podtemplates',
  scope: 'Namespaced',
  definition: 'io.k8s.api.core.v1.PodTemplate',
  default({ template }) {
    if (template?.spec) defaultPodSpec(template.spec);
  },
  validate: ({ template }) => podTemplateErrors(template, 'template'),
  warnings: ({ template }, { previous }) =>
    templateWarnings(template, previous?.template, 'template'),
});
