import { replicatedErrors } from '#api/apps-v1/replicated-errors.ts';
import { daemonBoundsErrors } from '#api/apps-v1/rollout-errors.ts';
import { defaultPodSpec } from '#api/core-v1/pod-defaults.ts';
import type { DaemonSet as Generated } from '#api/generated/apps-v1.ts';
import { templateWarnings } from '#api/core-v1/pod-warnings.ts';
import { defineCoreKind } from '#api/kind.ts';
import { immutableErrors } from '#api/meta/field-error.ts';
import { negativeErrors } from '#api/meta/value-errors.ts';

export type DaemonSet = Generated;
export const DaemonSet = defineCoreKind<DaemonSet>({
  group: 'apps',
  version: 'v1',
  kind: 'DaemonSet',
  plural: 'daemonsets',
  scope: 'Namespaced',
  definition: 'io.k8s.api.apps.v1.DaemonSet',
  shortNames: ['ds'],
  categories: ['all'],
  subresources: ['status'],
  notActedOn: 'DaemonSets are stored, but no pods are made for them yet',
  default({ spec }) {
    if (!spec) return;
    spec.revisionHistoryLimit ??= 10;
    const strategy = (spec.updateStrategy ??= {});
    strategy.type ??= 'RollingUpdate';
    if (strategy.type === 'RollingUpdate') {
      strategy.rollingUpdate = { maxSurge: 0, maxUnavailable: 1, ...strategy.rollingUpdate };
    }
    if (spec.template?.spec) defaultPodSpec(spec.template.spec);
  },
  validate: ({ spec }, { previous }) => [
    ...replicatedErrors(spec, { selects: 'daemonset', runs: 'DaemonSet' }),
    ...(spec?.updateStrategy?.type === 'RollingUpdate'
      ? daemonBoundsErrors(
          spec.updateStrategy.rollingUpdate ?? {},
          'spec.updateStrategy.rollingUpdate',
        )
      : []),
    ...negativeErrors('spec.revisionHistoryLimit', spec?.revisionHistoryLimit),
    ...(previous ? immutableErrors('spec.selector', spec?.selector, previous.spec?.selector) : []),
  ],
  warnings: ({ spec }, { previous }) =>
    templateWarnings(spec?.template, previous?.spec?.template, 'spec.template'),
});
