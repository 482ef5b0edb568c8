import { replicatedErrors } from '#api/apps-v1/replicated-errors.ts';
import { defaultPodSpec } from '#api/core-v1/pod-defaults.ts';
import type { ReplicaSet as Generated } from '#api/generated/apps-v1.ts';
import { nameWarnings, templateWarnings } from '#api/core-v1/pod-warnings.ts';
import { defineCoreKind } from '#api/kind.ts';
import { immutableErrors } from '#api/meta/field-error.ts';

export type ReplicaSet = Generated;
export const ReplicaSet = defineCoreKind<ReplicaSet>({
  group: 'apps',
  version: 'v1',
  kind: 'ReplicaSet',
  plural: 'replicasets',
  scope: 'Namespaced',
  definition: 'io.k8s.api.apps.v1.ReplicaSet',
  shortNames: ['rs'],
  categories: ['all'],
  subresources: ['status', 'scale'],
  default({ spec }) {
    if (!spec) return;
    spec.replicas ??= 1;
    if (spec.template?.spec) defaultPodSpec(spec.template.spec);
  },
  validate({ spec }, { previous }) {
    return [
      ...replicatedErrors(spec, { selects: 'deployment', runs: 'ReplicaSet' }),
      ...(previous
        ? immutableErrors('spec.selector', spec?.selector, previous.spec?.selector)
        : []),
    ];
  },
  warnings: ({ metadata, spec }, { previous }) => [
    ...(previous ? [] : nameWarnings(metadata)),
    ...templateWarnings(spec?.template, previous?.spec?.template, 'spec.template'),
  ],
});
