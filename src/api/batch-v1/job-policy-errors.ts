import type { JobSpec, PodFailurePolicyRule, SuccessPolicyRule } from '#api/generated/batch-v1.ts';
import type { FieldError } from '#api/kind.ts';
import { required, wrongValue } from '#api/meta/field-error.ts';
import { unsupportedErrors } from '#api/meta/value-errors.ts';

const RULES_MAX = 20;
const EXIT_CODES_MAX = 255;
const ACTIONS = ['Count', 'FailIndex', 'FailJob', 'Ignore'];

/** That limits of single pieces of work are set where there are pieces, and go together. */
export function indexLimitErrors(spec: JobSpec, at: string): FieldError[] {
  const { backoffLimitPerIndex, maxFailedIndexes, completionMode, completions } = spec;
  const isIndexed = completionMode === 'Indexed';
  const wrong = (field: keyof JobSpec, why: string): FieldError[] => [
    wrongValue(`${at}.${field}`, spec[field], why),
  ];
  return [
    ...(backoffLimitPerIndex !== undefined && !isIndexed
      ? wrong('backoffLimitPerIndex', 'requires indexed completion mode')
      : []),
    ...(maxFailedIndexes !== undefined && !isIndexed
      ? wrong('maxFailedIndexes', 'requires indexed completion mode')
      : []),
    ...(maxFailedIndexes !== undefined && backoffLimitPerIndex === undefined
      ? [required(`${at}.backoffLimitPerIndex`, 'when maxFailedIndexes is specified')]
      : []),
    ...(maxFailedIndexes !== undefined && maxFailedIndexes > (completions ?? Infinity)
      ? wrong('maxFailedIndexes', 'must be less than or equal to completions')
      : []),
  ];
}

/** What is wrong with a Job's podFailurePolicy, and with what has to go with it. */
export function failurePolicyErrors(spec: JobSpec, at: string): FieldError[] {
  const { podFailurePolicy, podReplacementPolicy, template } = spec;
  const replacement = `${at}.podReplacementPolicy`;
  const allowed = podFailurePolicy ? ['Failed'] : ['Failed', 'TerminatingOrFailed'];
  const errors = unsupportedErrors(replacement, podReplacementPolicy, allowed);
  if (!podFailurePolicy) return errors;
  const path = `${at}.podFailurePolicy`;
  const restartPolicy = template?.spec?.restartPolicy;
  if (restartPolicy !== 'Never') {
    const why = 'only "Never" is supported when podFailurePolicy is specified';
    errors.push(wrongValue(`${at}.template.spec.restartPolicy`, restartPolicy, why));
  }
  const rules = listed(podFailurePolicy.rules);
  if (rules.length > RULES_MAX) errors.push(tooMany(`${path}.rules`, rules.length, RULES_MAX));
  const isLimited = spec.backoffLimitPerIndex !== undefined;
  for (const [index, rule] of rules.entries()) {
    errors.push(...failureRuleErrors(rule, { at: `${path}.rules[${index}]`, isLimited }));
  }
  return errors;
}

function failureRuleErrors(
  { action, onExitCodes, onPodConditions = [] }: PodFailurePolicyRule,
  { at, isLimited }: { at: string; isLimited: boolean },
): FieldError[] {
  const errors = unsupportedErrors(`${at}.action`, action, ACTIONS);
  if (action === 'FailIndex' && !isLimited) {
    const why = 'requires the backoffLimitPerIndex to be set';
    errors.push(wrongValue(`${at}.action`, action, why));
  }
  if (onExitCodes && onPodConditions.length > 0) {
    const why = 'specifying both OnExitCodes and OnPodConditions is not supported';
    errors.push(wrongValue(at, undefined, why));
  }
  if (!onExitCodes && onPodConditions.length === 0) {
    errors.push(
      wrongValue(at, undefined, 'specifying one of OnExitCodes and OnPodConditions is required'),
    );
  }
  if (!onExitCodes) return errors;
  const { operator } = onExitCodes;
  const values = listed(onExitCodes.values);
  const path = `${at}.onExitCodes`;
  errors.push(...unsupportedErrors(`${path}.operator`, operator, ['In', 'NotIn']));
  if (values.length === 0)
    errors.push(wrongValue(`${path}.values`, values, 'at least one value is required'));
  if (values.length > EXIT_CODES_MAX)
    errors.push(tooMany(`${path}.values`, values.length, EXIT_CODES_MAX));
  if (operator === 'In' && values.includes(0)) {
    const why = 'must not be 0 for the In operator';
    errors.push(wrongValue(`${path}.values[${values.indexOf(0)}]`, 0, why));
  }
  return errors;
}

/** What is wrong with a Job's successPolicy. */
export function successPolicyErrors(
  { successPolicy, completionMode, completions = 0 }: JobSpec,
  at: string,
): FieldError[] {
  if (!successPolicy) return [];
  const rules = listed(successPolicy.rules);
  return [
    ...(completionMode === 'Indexed'
      ? []
      : [wrongValue(at, undefined, 'requires indexed completion mode')]),
    ...(rules.length === 0
      ? [
          required(
            `${at}.rules`,
            'at least one rules must be specified when the successPolicy is specified',
          ),
        ]
      : []),
    ...(rules.length > RULES_MAX ? [tooMany(`${at}.rules`, rules.length, RULES_MAX)] : []),
    ...rules.flatMap((rule, index) =>
      successRuleErrors(rule, completions, `${at}.rules[${index}]`),
    ),
  ];
}

function successRuleErrors(
  { succeededCount, succeededIndexes }: SuccessPolicyRule,
  completions: number,
  at: string,
): FieldError[] {
  if (succeededCount === undefined && succeededIndexes === undefined) {
    return [required(at, 'at least one of succeededCount or succeededIndexes must be specified')];
  }
  const path = `${at}.succeededIndexes`;
  const isIndexes = /^\d+(-\d+)?(,\d+(-\d+)?)*$/.test(succeededIndexes ?? '0');
  if (!isIndexes)
    return [
      wrongValue(
        path,
        succeededIndexes,
        'error parsing succeededIndexes: must be numbers and ranges of them',
      ),
    ];
  const highest = Math.max(...(succeededIndexes ?? '0').split(/[,-]/).map(Number));
  if (highest >= Math.max(1, completions)) {
    return [wrongValue(path, succeededIndexes, 'must be below completions')];
  }
  if (succeededCount !== undefined && succeededCount > completions) {
    const why = `must be less than or equal to ${completions} (the number of specified completions)`;
    return [wrongValue(`${at}.succeededCount`, succeededCount, why)];
  }
  return [];
}

function tooMany(path: string, found: number, max: number): FieldError {
  return { path, message: `Too many: ${found}: must have at most ${max} items` };
}

/** A list may be absent although its type says it is required: Kubernetes' Go takes none for an empty one. */
function listed<T>(list: readonly T[] | undefined): readonly T[] {
  return list ?? [];
}
