import type {
  Affinity,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  PodAffinityTerm,
  PodSpec,
  Toleration,
  TopologySpreadConstraint,
} from '#api/generated/core-v1.ts';
import type { FieldError } from '#api/kind.ts';
import { forbiddenField, required, wrongValue } from '#api/meta/field-error.ts';
import { dnsLabel, labelValue, nameErrors, qualifiedName } from '#api/meta/name-errors.ts';
import { selectorErrors } from '#api/meta/selector-errors.ts';
import { duplicateValue, unsupportedErrors } from '#api/meta/value-errors.ts';

const REQUIRED = 'requiredDuringSchedulingIgnoredDuringExecution';
const PREFERRED = 'preferredDuringSchedulingIgnoredDuringExecution';

/** What is wrong with what a pod says of the nodes it wants: which, beside whom, spread how. */
export function affinityErrors(affinity: Affinity | undefined, at: string): FieldError[] {
  const { nodeAffinity, podAffinity, podAntiAffinity } = affinity ?? {};
  const selector = nodeAffinity?.[REQUIRED];
  const nodes = `${at}.nodeAffinity`;
  const path = `${nodes}.${REQUIRED}.nodeSelectorTerms`;
  return [
    ...(selector ? nodeTermsErrors(selector.nodeSelectorTerms, path) : []),
    ...(nodeAffinity?.[PREFERRED] ?? []).flatMap(({ weight, preference }, index) => [
      ...weightErrors(weight, `${nodes}.${PREFERRED}[${index}]`),
      ...termErrors(preference, `${nodes}.${PREFERRED}[${index}].preference`),
    ]),
    ...neighbourErrors(podAffinity, `${at}.podAffinity`),
    ...neighbourErrors(podAntiAffinity, `${at}.podAntiAffinity`),
  ];
}

/** Of terms of which a node has to match one; a patch may have left none, which is no list either. */
export function nodeTermsErrors(
  terms: readonly NodeSelectorTerm[] | undefined,
  at: string,
): FieldError[] {
  if (!terms?.length) return [required(at, 'must have at least one node selector term')];
  return terms.flatMap((term, index) => termErrors(term, `${at}[${index}]`));
}

function weightErrors(weight: number, at: string): FieldError[] {
  if (weight >= 1 && weight <= 100) return [];
  return [wrongValue(`${at}.weight`, weight, 'must be in the range 1-100')];
}

function termErrors(
  { matchExpressions = [], matchFields = [] }: NodeSelectorTerm,
  at: string,
): FieldError[] {
  return [
    ...matchExpressions.flatMap((expression, index) =>
      requirementErrors(expression, `${at}.matchExpressions[${index}]`),
    ),
    ...matchFields.flatMap(({ key, operator, values = [] }, index) => {
      const path = `${at}.matchFields[${index}]`;
      return [
        ...(operator === 'In' || operator === 'NotIn'
          ? values.length === 1
            ? []
            : [
                required(
                  `${path}.values`,
                  "must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
                ),
              ]
          : [wrongValue(`${path}.operator`, operator, 'not a valid selector operator')]),
        ...(key === 'metadata.name'
          ? []
          : [wrongValue(`${path}.key`, key, 'not a valid field selector key')]),
      ];
    }),
  ];
}

function requirementErrors(
  { key, operator, values = [] }: NodeSelectorRequirement,
  at: string,
): FieldError[] {
  const inKey = nameErrors(qualifiedName, `${at}.key`, key);
  const path = `${at}.values`;
  switch (operator) {
    case 'In':
    case 'NotIn': {
      const why = "must be specified when `operator` is 'In' or 'NotIn'";
      return values.length === 0 ? [required(path, why), ...inKey] : inKey;
    }
    case 'Exists':
    case 'DoesNotExist': {
      const why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
      return values.length > 0 ? [forbiddenField(path, why), ...inKey] : inKey;
    }
    case 'Gt':
    case 'Lt': {
      const why = "must be specified single value when `operator` is 'Lt' or 'Gt'";
      return values.length === 1 ? inKey : [required(path, why), ...inKey];
    }
    default:
      return [wrongValue(`${at}.operator`, operator, 'not a valid selector operator'), ...inKey];
  }
}

function neighbourErrors(affinity: Affinity['podAffinity'], at: string): FieldError[] {
  return [
    ...(affinity?.[REQUIRED] ?? []).flatMap((term, index) =>
      podTermErrors(term, `${at}.${REQUIRED}[${index}]`),
    ),
    ...(affinity?.[PREFERRED] ?? []).flatMap(({ weight, podAffinityTerm }, index) => {
      const path = `${at}.${PREFERRED}[${index}]`;
      return [
        ...weightErrors(weight, path),
        ...podTermErrors(podAffinityTerm, `${path}.podAffinityTerm`),
      ];
    }),
  ];
}

function podTermErrors(term: PodAffinityTerm, at: string): FieldError[] {
  const { labelSelector, namespaceSelector, namespaces = [], topologyKey } = term;
  const path = `${at}.topologyKey`;
  return [
    ...selectorErrors(labelSelector, `${at}.labelSelector`),
    ...selectorErrors(namespaceSelector, `${at}.namespaceSelector`),
    ...namespaces.flatMap((namespace) => nameErrors(dnsLabel, `${at}.namespace`, namespace)),
    ...(topologyKey ? [] : [required(path, 'can not be empty')]),
    ...nameErrors(qualifiedName, path, topologyKey),
  ];
}

export function tolerationErrors(tolerations: readonly Toleration[], at: string): FieldError[] {
  return tolerations.flatMap(
    ({ key, operator = '', value = '', effect, tolerationSeconds }, index) => {
      const path = `${at}[${index}]`;
      const errors = key ? nameErrors(qualifiedName, `${path}.key`, key) : [];
      if (!key && operator !== 'Exists') {
        const why =
          'operator must be Exists when `key` is empty, which means "match all values and all keys"';
        errors.push(wrongValue(`${path}.operator`, operator, why));
      }
      if (tolerationSeconds !== undefined && effect !== 'NoExecute') {
        const why = "effect must be 'NoExecute' when `tolerationSeconds` is set";
        errors.push(wrongValue(`${path}.effect`, effect ?? '', why));
      }
      if (operator === 'Exists' && value) {
        const why = "value must be empty when `operator` is 'Exists'";
        errors.push(wrongValue(`${path}.operator`, value, why));
      } else if (operator === '' || operator === 'Equal') {
        errors.push(...nameErrors(labelValue, `${path}.operator`, value));
      } else if (operator !== 'Exists') {
        errors.push(...unsupportedErrors(`${path}.operator`, operator, ['Equal', 'Exists']));
      }
      const effects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];
      return [...errors, ...unsupportedErrors(`${path}.effect`, effect, effects)];
    },
  );
}

export function spreadErrors(spec: PodSpec, at: string): FieldError[] {
  const constraints = spec.topologySpreadConstraints ?? [];
  return constraints.flatMap((constraint, index) => {
    const { topologyKey, whenUnsatisfiable } = constraint;
    const twin = constraints.findIndex(
      (other, after) =>
        after > index &&
        other.topologyKey === topologyKey &&
        other.whenUnsatisfiable === whenUnsatisfiable,
    );
    const path = `${at}[${index}]`;
    return [
      ...constraintErrors(constraint, path),
      ...(twin < 0
        ? []
        : [
            duplicateValue(
              `${path}.{topologyKey, whenUnsatisfiable}`,
              `{${topologyKey}, ${whenUnsatisfiable}}`,
            ),
          ]),
      ...selectorErrors(constraint.labelSelector, `${path}.labelSelector`),
    ];
  });
}

function constraintErrors(constraint: TopologySpreadConstraint, at: string): FieldError[] {
  const { maxSkew, topologyKey, whenUnsatisfiable, minDomains } = constraint;
  const errors =
    maxSkew > 0 ? [] : [wrongValue(`${at}.maxSkew`, maxSkew, 'must be greater than zero')];
  if (!topologyKey) errors.push(required(`${at}.topologyKey`, 'can not be empty'));
  const ways = ['DoNotSchedule', 'ScheduleAnyway'];
  errors.push(...unsupportedErrors(`${at}.whenUnsatisfiable`, whenUnsatisfiable, ways));
  if (minDomains === undefined) return errors;
  const path = `${at}.minDomains`;
  if (minDomains <= 0) errors.push(wrongValue(path, minDomains, 'must be greater than zero'));
  if (whenUnsatisfiable !== 'DoNotSchedule') {
    const why = `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${whenUnsatisfiable}`;
    errors.push(wrongValue(path, minDomains, why));
  }
  return errors;
}
