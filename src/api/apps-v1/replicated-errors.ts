import { podTemplateErrors } from '#api/core-v1/pod-errors.ts';
import type { PodTemplateSpec } from '#api/generated/core-v1.ts';
import type { FieldError } from '#api/kind.ts';
import { forbiddenField, required, wrongValue } from '#api/meta/field-error.ts';
import { selectorErrors } from '#api/meta/selector-errors.ts';
import { matchLabelSelector, type LabelSelector } from '#api/meta/selector.ts';
import { negativeErrors, unsupportedErrors } from '#api/meta/value-errors.ts';

interface Replicated {
  readonly replicas?: number;
  readonly minReadySeconds?: number;
  readonly selector?: LabelSelector;
  readonly template?: PodTemplateSpec;
}

/** What Kubernetes calls the kind in its complaints: of Deployments some are made in the name of their ReplicaSets. */
interface Names {
  readonly selects: 'deployment' | 'statefulset' | 'daemonset';
  readonly runs: 'ReplicaSet' | 'StatefulSet' | 'DaemonSet';
}

/** What all have in common that keep pods up: a selector that finds the pods of their template, which never end. */
export function replicatedErrors(spec: Replicated | undefined, names: Names): FieldError[] {
  const { replicas, minReadySeconds, selector, template } = spec ?? {};
  const isEmpty = selector && !selector.matchLabels && !selector.matchExpressions?.length;
  return [
    ...negativeErrors('spec.replicas', replicas),
    ...negativeErrors('spec.minReadySeconds', minReadySeconds),
    ...(selector ? selectorErrors(selector, 'spec.selector') : [required('spec.selector')]),
    ...(isEmpty
      ? [wrongValue('spec.selector', selector, `empty selector is invalid for ${names.selects}`)]
      : []),
    ...selectedErrors(selector, template, 'spec.template'),
    ...podTemplateErrors(template, 'spec.template'),
    ...unsupportedErrors('spec.template.spec.restartPolicy', template?.spec?.restartPolicy, [
      'Always',
    ]),
    ...(template?.spec?.activeDeadlineSeconds === undefined
      ? []
      : [
          forbiddenField(
            'spec.template.spec.activeDeadlineSeconds',
            `activeDeadlineSeconds in ${names.runs} is not Supported`,
          ),
        ]),
  ];
}

/** That what a selector is to find it does find; one that is no selector is complained of elsewhere. */
function selectedErrors(
  selector: LabelSelector | undefined,
  template: PodTemplateSpec | undefined,
  at: string,
): FieldError[] {
  const labels = template?.metadata?.labels;
  if (selector && selectorErrors(selector, '').length > 0) {
    return [wrongValue('spec.selector', selector, 'invalid label selector')];
  }
  if (selector && matchLabelSelector(selector)(labels)) return [];
  const why = '`selector` does not match template `labels`';
  return [wrongValue(`${at}.metadata.labels`, labels ?? null, why)];
}
