import type { FieldError } from '#api/kind.ts';
import { forbiddenField, required, wrongValue } from '#api/meta/field-error.ts';
import { labelErrors, labelValue, nameErrors, qualifiedName } from '#api/meta/name-errors.ts';
import type { LabelSelector } from '#api/meta/selector.ts';

/** What is wrong with a selector object; an absent one says nothing. */
export function selectorErrors(selector: LabelSelector | undefined, at: string): FieldError[] {
  const { matchLabels, matchExpressions = [] } = selector ?? {};
  return [
    ...labelErrors(matchLabels, `${at}.matchLabels`),
    ...matchExpressions.flatMap(({ key, operator, values = [] }, index) => {
      const path = `${at}.matchExpressions[${index}]`;
      return [
        ...operatorErrors(operator, values, path),
        ...nameErrors(qualifiedName, `${path}.key`, key),
        ...values.flatMap((value, place) =>
          nameErrors(labelValue, `${path}.values[${place}]`, value),
        ),
      ];
    }),
  ];
}

function operatorErrors(operator: string, values: readonly string[], at: string): FieldError[] {
  switch (operator) {
    case 'In':
    case 'NotIn': {
      const why = "must be specified when `operator` is 'In' or 'NotIn'";
      return values.length === 0 ? [required(`${at}.values`, why)] : [];
    }
    case 'Exists':
    case 'DoesNotExist': {
      const why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
      return values.length > 0 ? [forbiddenField(`${at}.values`, why)] : [];
    }
    default:
      return [wrongValue(`${at}.operator`, operator, 'not a valid selector operator')];
  }
}
