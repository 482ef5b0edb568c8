import { replicatedErrors } from '#api/apps-v1/replicated-errors.ts';
import { deploymentBoundsErrors } from '#api/apps-v1/rollout-errors.ts';
import { defaultPodSpec } from '#api/core-v1/pod-defaults.ts';
import type { Deployment as Generated, DeploymentStrategy } from '#api/generated/apps-v1.ts';
import { nameWarnings, templateWarnings } from '#api/core-v1/pod-warnings.ts';
import { defineCoreKind, type FieldError } from '#api/kind.ts';
import { forbiddenField, immutableErrors, wrongValue } from '#api/meta/field-error.ts';
import { negativeErrors } from '#api/meta/value-errors.ts';

export type Deployment = Generated;
export const Deployment = defineCoreKind<Deployment>({
  group: 'apps',
  version: 'v1',
  kind: 'Deployment',
  plural: 'deployments',
  scope: 'Namespaced',
  definition: 'io.k8s.api.apps.v1.Deployment',
  shortNames: ['deploy'],
  categories: ['all'],
  subresources: ['status', 'scale'],
  default({ spec }) {
    if (!spec) return;
    spec.replicas ??= 1;
    spec.revisionHistoryLimit ??= 10;
    spec.progressDeadlineSeconds ??= 600;
    const strategy = (spec.strategy ??= {});
    strategy.type ??= 'RollingUpdate';
    if (strategy.type === 'RollingUpdate') {
      strategy.rollingUpdate = {
        maxSurge: '25%',
        maxUnavailable: '25%',
        ...strategy.rollingUpdate,
      };
    }
    if (spec.template?.spec) defaultPodSpec(spec.template.spec);
  },
  validate({ spec }, { previous }) {
    const { progressDeadlineSeconds: deadline, minReadySeconds = 0 } = spec ?? {};
    const path = 'spec.progressDeadlineSeconds';
    return [
      ...replicatedErrors(spec, { selects: 'deployment', runs: 'ReplicaSet' }),
      ...strategyErrors(spec?.strategy),
      ...negativeErrors('spec.revisionHistoryLimit', spec?.revisionHistoryLimit),
      ...negativeErrors(path, deadline),
      ...(deadline !== undefined && deadline <= minReadySeconds
        ? [wrongValue(path, deadline, 'must be greater than minReadySeconds')]
        : []),
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

function strategyErrors(strategy: DeploymentStrategy | undefined): FieldError[] {
  const { type, rollingUpdate } = strategy ?? {};
  const path = 'spec.strategy.rollingUpdate';
  if (type === 'RollingUpdate') return deploymentBoundsErrors(rollingUpdate ?? {}, path);
  if (type !== 'Recreate' || !rollingUpdate) return [];
  return [forbiddenField(path, "may not be specified when strategy `type` is 'Recreate'")];
}
