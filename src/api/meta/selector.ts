import { ApiError } from '#api/meta/api-error.ts';
import { labelValue, qualifiedName } from '#api/meta/name-errors.ts';

/** What a LabelSelector object says; all of it must hold. An empty one selects everything. */
export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values?: readonly string[];
  }[];
}

type Labels = Readonly<Record<string, string>> | undefined;
export type LabelMatch = (labels: Labels) => boolean;

const REQUIREMENT =
  /^\s*(?:(?<absent>!)\s*)?(?<key>[\w./-]+)\s*(?:(?<set>\bin|\bnotin)\s*\((?<values>[^()]*)\)|(?<compare>==|=|!=|>|<)\s*(?<value>[\w.-]*))?\s*$/;

/** Parses `app=a,tier in (x,y),!old`. Throws BadRequest where it is none of Kubernetes' forms. */
export function parseLabelSelector(text: string): LabelMatch {
  if (text.trim() === '') return () => true;
  const requirements = splitOutsideParentheses(text).map((part) => parseRequirement(part, text));
  return (labels) => requirements.every((matches) => matches(labels));
}

/** The match of a selector object, as in a Service's or a Deployment's spec. */
export function matchLabelSelector(selector: LabelSelector): LabelMatch {
  const equal = Object.entries(selector.matchLabels ?? {});
  const expressions = (selector.matchExpressions ?? []).map(({ key, operator, values }) =>
    requirement(key, operator, values ?? []),
  );
  return (labels) =>
    equal.every(([key, value]) => valueOf(labels, key) === value) &&
    expressions.every((matches) => matches(labels));
}

/** The text of a selector object: `app=a,tier in (x,y),!old`. */
export function selectorText({ matchLabels, matchExpressions }: LabelSelector): string {
  const equal = Object.entries(matchLabels ?? {}).map((pair) => pair.join('='));
  const expressions = (matchExpressions ?? []).map(({ key, operator, values = [] }) => {
    switch (operator) {
      case 'Exists':
        return key;
      case 'DoesNotExist':
        return `!${key}`;
      default:
        return `${key} ${operator.toLowerCase()} (${values.join(',')})`;
    }
  });
  return [...equal, ...expressions].join(',');
}

function parseRequirement(part: string, whole: string): LabelMatch {
  const groups = REQUIREMENT.exec(part)?.groups;
  const key = groups?.['key'];
  if (!groups || key === undefined || (groups['absent'] && (groups['set'] ?? groups['compare']))) {
    throw new ApiError(
      'BadRequest',
      `unable to parse requirement "${part.trim()}" of the label selector "${whole}"`,
    );
  }
  const [wrongKey] = qualifiedName(key);
  if (wrongKey !== undefined) throw unfit('<nil>', key, wrongKey);
  if (groups['absent']) return requirement(key, 'DoesNotExist', []);
  if (groups['set']) {
    const values = (groups['values'] ?? '').split(',').map((value) => value.trim());
    return requirement(key, groups['set'] === 'in' ? 'In' : 'NotIn', labelValues(key, values));
  }
  const operator = groups['compare'];
  const value = groups['value'] ?? '';
  if (operator === undefined) return requirement(key, 'Exists', []);
  const isOrder = operator === '>' || operator === '<';
  if (isOrder && !/^-?\d+$/.test(value)) {
    const why = "for 'Gt', 'Lt' operators, the value must be an integer";
    throw unfit('values[0]', value, why);
  }
  const values = labelValues(key, [value]);
  if (operator === '>') return requirement(key, 'Gt', values);
  if (operator === '<') return requirement(key, 'Lt', values);
  return requirement(key, operator === '!=' ? 'NotIn' : 'In', values);
}

/** The values, each of which some label may have. Throws BadRequest. */
function labelValues(key: string, values: readonly string[]): readonly string[] {
  for (const [index, value] of values.entries()) {
    const [why] = labelValue(value);
    if (why !== undefined) throw unfit(`values[${index}][${key}]`, value, why);
  }
  return values;
}

function unfit(path: string, value: string, why: string): ApiError {
  return new ApiError(
    'BadRequest',
    `unable to parse requirement: ${path}: Invalid value: "${value}": ${why}`,
  );
}

function requirement(key: string, operator: string, values: readonly string[]): LabelMatch {
  switch (operator) {
    case 'In':
      return (labels) => {
        const value = valueOf(labels, key);
        return value !== undefined && values.includes(value);
      };
    case 'NotIn':
      return (labels) => {
        const value = valueOf(labels, key);
        return value === undefined || !values.includes(value);
      };
    case 'Exists':
      return (labels) => valueOf(labels, key) !== undefined;
    case 'DoesNotExist':
      return (labels) => valueOf(labels, key) === undefined;
    case 'Gt':
      return (labels) => Number(valueOf(labels, key)) > Number(values[0]);
    case 'Lt':
      return (labels) => Number(valueOf(labels, key)) < Number(values[0]);
    default:
      throw new ApiError('BadRequest', `"${operator}" is not a valid label selector operator`);
  }
}

function valueOf(labels: Labels, key: string): string | undefined {
  return labels && Object.hasOwn(labels, key) ? labels[key] : undefined;
}

function splitOutsideParentheses(text: string): string[] {
  const parts: string[] = [];
  let start = 0;
  let isInside = false;
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === '(') isInside = true;
    else if (text[at] === ')') isInside = false;
    else if (text[at] === ',' && !isInside) {
      parts.push(text.slice(start, at));
      start = at + 1;
    }
  }
  return [...parts, text.slice(start)];
}
