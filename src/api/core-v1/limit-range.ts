import type { LimitRange as Generated, LimitRangeItem } from '#api/generated/core-v1.ts';
import { containerResourceErrors } from '#api/core-v1/resource-errors.ts';
import { defineCoreKind, type FieldError } from '#api/kind.ts';
import { forbiddenField, required, wrongValue } from '#api/meta/field-error.ts';
import { nameErrors, qualifiedName } from '#api/meta/name-errors.ts';
import { numberOf, parseQuantity, renderQuantity } from '#api/meta/quantity.ts';
import { duplicateValue } from '#api/meta/value-errors.ts';

type Amounts = LimitRangeItem['max'];

export type LimitRange = Generated;
export const LimitRange = defineCoreKind<LimitRange>({
  group: '',
  version: 'v1',
  kind: 'LimitRange',
  plural: 'limitranges',
  scope: 'Namespaced',
  definition: 'io.k8s.api.core.v1.LimitRange',
  shortNames: ['limits'],
  default({ spec }) {
    for (const item of spec?.limits ?? []) {
      if (item.type !== 'Container') continue;
      // What a container may have at most it has unless it says so, and what it gets it also asks for.
      const limits = { ...item.max, ...item.default };
      const requests = { ...item.min, ...limits, ...item.defaultRequest };
      if (Object.keys(limits).length > 0) item.default = limits;
      if (Object.keys(requests).length > 0) item.defaultRequest = requests;
    }
  },
  validate({ spec }) {
    const seen = new Set<string>();
    return (spec?.limits ?? []).flatMap((item, index) => {
      const at = `spec.limits[${index}]`;
      const errors = [
        ...typeErrors(item.type ?? '', `${at}.type`),
        ...resourceErrors(item, at),
        ...itemErrors(item, at),
      ];
      if (seen.has(item.type)) errors.push(duplicateValue(`${at}.type`, item.type));
      seen.add(item.type);
      return errors;
    });
  },
});

function itemErrors(item: LimitRangeItem, at: string): FieldError[] {
  const { type, min, max, default: limits, defaultRequest } = item;
  if (type === 'Pod') {
    const why = "may not be specified when `type` is 'Pod'";
    return [
      ...(limits ? [forbiddenField(`${at}.default`, why)] : []),
      ...(defaultRequest ? [forbiddenField(`${at}.defaultRequest`, why)] : []),
      ...orderErrors(`${at}.min`, ['min', min], ['max', max]),
      ...ratioErrors(item, at),
    ];
  }
  const isUnbounded =
    type === 'PersistentVolumeClaim' &&
    min?.['storage'] === undefined &&
    max?.['storage'] === undefined;
  const why = 'either minimum or maximum storage value is required, but neither was provided';
  return [
    ...(isUnbounded ? [required(`${at}.limits`, why)] : []),
    ...orderErrors(`${at}.min`, ['min', min], ['max', max]),
    ...orderErrors(`${at}.defaultRequest`, ['min', min], ['default request', defaultRequest]),
    ...orderErrors(`${at}.defaultRequest`, ['default request', defaultRequest], ['max', max]),
    ...orderErrors(
      `${at}.defaultRequest`,
      ['default request', defaultRequest],
      ['default limit', limits],
    ),
    ...orderErrors(`${at}.default`, ['min', min], ['default', limits]),
    ...orderErrors(`${at}.default`, ['default', limits], ['max', max]),
    ...ratioErrors(item, at),
  ];
}

const TYPES = ['Pod', 'Container', 'PersistentVolumeClaim'];

function typeErrors(type: string, path: string): FieldError[] {
  const errors = nameErrors(qualifiedName, path, type);
  if (errors.length > 0 || type.includes('/') || TYPES.includes(type)) return errors;
  return [wrongValue(path, type, 'must be a standard limit type or fully qualified')];
}

/** Of what containers are given; anything else may be counted by any name. */
function resourceErrors(item: LimitRangeItem, at: string): FieldError[] {
  if (item.type !== 'Container' && item.type !== 'Pod') return [];
  const parts = ['max', 'min', 'default', 'defaultRequest', 'maxLimitRequestRatio'] as const;
  return parts.flatMap((part) =>
    Object.keys(item[part] ?? {}).flatMap((name) =>
      containerResourceErrors(name, `${at}.${part}[${name}]`),
    ),
  );
}

/** How much more a container may take than it asks for. */
function ratioErrors({ min, max, maxLimitRequestRatio }: LimitRangeItem, at: string): FieldError[] {
  return Object.entries(maxLimitRequestRatio ?? {}).flatMap(([resource, amount]) => {
    const ratio = parseQuantity(amount);
    const shown = renderQuantity(ratio);
    const path = `${at}.maxLimitRequestRatio[${resource}]`;
    const wrong = (why: string): FieldError => wrongValue(path, shown, `ratio ${shown} is ${why}`);
    const [least, most] = [min?.[resource], max?.[resource]];
    const bound =
      least === undefined || most === undefined
        ? Infinity
        : numberOf(parseQuantity(most)) / numberOf(parseQuantity(least));
    return [
      ...(numberOf(ratio) < 1 ? [wrong('less than 1')] : []),
      ...(numberOf(ratio) > bound ? [wrong(`greater than max/min = ${bound.toFixed(6)}`)] : []),
    ];
  });
}

type Side = readonly [name: string, amounts: Amounts];

/** That of each resource named on both sides the first is not more than the second. */
function orderErrors(at: string, [low, lows = {}]: Side, [high, highs = {}]: Side): FieldError[] {
  return Object.entries(lows).flatMap(([resource, amount]) => {
    const other = Object.hasOwn(highs, resource) ? highs[resource] : undefined;
    if (other === undefined) return [];
    const [less, more] = [parseQuantity(amount), parseQuantity(other)];
    if (less.nano <= more.nano) return [];
    const [a, b] = [renderQuantity(less), renderQuantity(more)];
    const why = `${low} value ${a} is greater than ${high} value ${b}`;
    return [wrongValue(`${at}[${resource}]`, a, why)];
  });
}
