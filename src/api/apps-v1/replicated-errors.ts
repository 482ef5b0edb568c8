import { podSpecErrors } from '#api/core-v1/pod-errors.ts';
import type { PodTemplateSpec } from '#api/generated/core-v1.ts';
import type { FieldError } from '#api/kind.ts';
import { immutableErrors, required, wrongValue } from '#api/meta/field-error.ts';
import { matchLabelSelector, type LabelSelector } from '#api/meta/selector.ts';
import { unsupportedErrors } from '#api/meta/value-errors.ts';

interface Replicated {
  readonly replicas?: number;
  readonly selector?: LabelSelector;
  readonly template?: PodTemplateSpec;
}

/** What Deployments and ReplicaSets have in common: a selector that stays and that finds the pods of their template. */
export function replicatedErrors(
  spec: Replicated | undefined,
  previous: Replicated | undefined,
): FieldError[] {
  if (!spec?.selector) return [required('spec.selector')];
  const { replicas = 1, selector, template } = spec;
  const labels = template?.metadata?.labels;
  const isEmpty = !selector.matchLabels && !selector.matchExpressions;
  return [
    ...(replicas < 0
      ? [wrongValue('spec.replicas', replicas, 'must be greater than or equal to 0')]
      : []),
    ...(isEmpty
      ? [wrongValue('spec.selector', selector, 'empty selector is invalid for deployment')]
      : []),
    ...(matchLabelSelector(selector)(labels)
      ? []
      : [
          wrongValue(
            'spec.template.metadata.labels',
            labels ?? {},
            '`selector` does not match template `labels`',
          ),
        ]),
    ...podSpecErrors(template?.spec, 'spec.template.spec'),
    ...(previous ? immutableErrors('spec.selector', selector, previous.selector) : []),
  ];
}

/** Pods that are kept up are restarted whatever way they end. */
export function alwaysRestartErrors(template: PodTemplateSpec | undefined): FieldError[] {
  const policy = template?.spec?.restartPolicy;
  return unsupportedErrors('spec.template.spec.restartPolicy', policy, ['Always']);
}
