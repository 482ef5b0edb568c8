import { podTemplateErrors } from '#api/core-v1/pod-errors.ts';
import type { Job, JobSpec } from '#api/generated/batch-v1.ts';
import {
  failurePolicyErrors,
  indexLimitErrors,
  successPolicyErrors,
} from '#api/batch-v1/job-policy-errors.ts';
import type { FieldError } from '#api/kind.ts';
import { immutableErrors, required, wrongValue } from '#api/meta/field-error.ts';
import { subdomain } from '#api/meta/name-errors.ts';
import { matchLabelSelector, type LabelSelector } from '#api/meta/selector.ts';
import { negativeErrors, unsupportedErrors } from '#api/meta/value-errors.ts';

/** What is wrong with a Job's spec, or with the one a CronJob makes Jobs from; `at` is its path. */
export function jobSpecErrors(spec: JobSpec | undefined, at: string): FieldError[] {
  if (!spec) return [required(at)];
  const { completionMode, completions, template } = spec;
  const isIndexed = completionMode === 'Indexed';
  return [
    ...negativeErrors(`${at}.parallelism`, spec.parallelism),
    ...negativeErrors(`${at}.completions`, completions),
    ...negativeErrors(`${at}.activeDeadlineSeconds`, spec.activeDeadlineSeconds),
    ...negativeErrors(`${at}.backoffLimit`, spec.backoffLimit),
    ...negativeErrors(`${at}.ttlSecondsAfterFinished`, spec.ttlSecondsAfterFinished),
    ...unsupportedErrors(`${at}.completionMode`, completionMode, ['NonIndexed', 'Indexed']),
    ...(isIndexed && completions === undefined
      ? [required(`${at}.completions`, 'when completion mode is Indexed')]
      : []),
    ...negativeErrors(`${at}.backoffLimitPerIndex`, spec.backoffLimitPerIndex),
    ...negativeErrors(`${at}.maxFailedIndexes`, spec.maxFailedIndexes),
    ...indexLimitErrors(spec, at),
    ...failurePolicyErrors(spec, at),
    ...successPolicyErrors(spec, `${at}.successPolicy`),
    ...(spec.managedBy === undefined || isDomainPath(spec.managedBy)
      ? []
      : [
          wrongValue(
            `${at}.managedBy`,
            spec.managedBy,
            'must be a domain-prefixed path (such as "acme.io/foo")',
          ),
        ]),
    ...podTemplateErrors(template, `${at}.template`),
    ...restartErrors(template?.spec?.restartPolicy, `${at}.template.spec.restartPolicy`),
  ];
}

/** A Job's own: that its selector finds its pods, and that what its pods are made from stays. */
export function jobErrors(
  { metadata, spec }: Pick<Job, 'metadata' | 'spec'>,
  previous: JobSpec | undefined,
): FieldError[] {
  const errors = jobSpecErrors(spec, 'spec');
  if (!spec) return errors;
  const labels = spec.template?.metadata?.labels;
  if (!spec.selector) errors.push(required('spec.selector'));
  else if (!matchLabelSelector(spec.selector)(labels)) {
    const why = '`selector` does not match template `labels`';
    errors.push(wrongValue('spec.template.metadata.labels', labels ?? {}, why));
  }
  if (spec.selector && spec.manualSelector !== true) {
    errors.push(...ownErrors(spec.selector, metadata.uid ?? ''));
  }
  if (previous) errors.push(...changeErrors(spec, previous));
  return errors;
}

/** A selector that nobody chose is the one that was made. */
function ownErrors(selector: LabelSelector, uid: string): FieldError[] {
  const { matchLabels = {}, matchExpressions = [] } = selector;
  const known = ['controller-uid', 'batch.kubernetes.io/controller-uid'];
  const labels = Object.entries(matchLabels);
  const isMade =
    matchExpressions.length === 0 &&
    labels.length > 0 &&
    labels.every(([name, value]) => known.includes(name) && value === uid);
  return isMade ? [] : [wrongValue('spec.selector', selector, '`selector` not auto-generated')];
}

function changeErrors(spec: JobSpec, previous: JobSpec): FieldError[] {
  // An indexed Job may grow and shrink with its parallelism; the schema of its work stays.
  const isElastic = spec.completionMode === 'Indexed' && spec.completions === spec.parallelism;
  return [
    ...(isElastic
      ? []
      : immutableErrors('spec.completions', spec.completions, previous.completions)),
    ...immutableErrors('spec.selector', spec.selector, previous.selector),
    ...(previous.suspend ? [] : immutableErrors('spec.template', spec.template, previous.template)),
    ...(
      ['podFailurePolicy', 'successPolicy', 'backoffLimitPerIndex', 'managedBy'] as const
    ).flatMap((field) => immutableErrors(`spec.${field}`, spec[field], previous[field])),
    ...immutableErrors('spec.completionMode', spec.completionMode, previous.completionMode),
  ];
}

function isDomainPath(value: string): boolean {
  const [domain = '', ...rest] = value.split('/');
  return subdomain(domain).length === 0 && rest.join('/') !== '';
}

function restartErrors(policy: string | undefined, path: string): FieldError[] {
  // What a Job's pod does when it ends is the Job's business: `Always`, also by default, would never let it end.
  if (policy === 'OnFailure' || policy === 'Never') return [];
  return [required(path, 'valid values: "OnFailure", "Never"')];
}
