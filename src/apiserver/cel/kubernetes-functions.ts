import type { CelFunc, CelList, CelValue } from '@bufbuild/cel';
import { celLibrary } from '#apiserver/cel/cel-library.ts';

/** Of Kubernetes' CEL libraries: lists, and regular expressions (https://kubernetes.io/docs/reference/using-api/cel/). */
export function kubernetesFunctions(): CelFunc[] {
  const { celMethod, CelScalar, listType } = celLibrary();
  const LIST = listType(CelScalar.DYN);
  const { BOOL, DYN, INT } = CelScalar;
  return [
    celMethod('isSorted', LIST, [], BOOL, function () {
      const items = [...this];
      return items.every((item, index) => index === 0 || compare(items[index - 1], item) <= 0);
    }),
    celMethod('sum', LIST, [], DYN, function () {
      return [...this].reduce<number | bigint>((sum, item) => {
        if (typeof item === 'bigint')
          return typeof sum === 'bigint' ? sum + item : sum + Number(item);
        if (typeof item === 'number') return Number(sum) + item;
        throw new TypeError('sum: the list has an element that is no number');
      }, 0n);
    }),
    celMethod('min', LIST, [], DYN, function () {
      return extreme(this, -1);
    }),
    celMethod('max', LIST, [], DYN, function () {
      return extreme(this, 1);
    }),
    // A list of one value or none stands for an optional one, as `oldSelf` is where a rule asks for it.
    celMethod('hasValue', LIST, [], BOOL, function () {
      return this.size > 0;
    }),
    celMethod('value', LIST, [], DYN, function () {
      return this.get(0) ?? none();
    }),
    celMethod('orValue', LIST, [DYN], DYN, function (other) {
      return this.get(0) ?? other;
    }),
    celMethod('indexOf', LIST, [DYN], INT, function (wanted) {
      return BigInt([...this].indexOf(wanted));
    }),
    celMethod('lastIndexOf', LIST, [DYN], INT, function (wanted) {
      return BigInt([...this].lastIndexOf(wanted));
    }),
  ];
}

function none(): never {
  throw new TypeError('optional.none() dereference');
}

function extreme(list: CelList, sign: 1 | -1): CelValue {
  const [first, ...rest] = [...list];
  if (first === undefined) throw new TypeError('min and max: the list is empty');
  return rest.reduce<CelValue>(
    (best, item) => (compare(item, best) * sign > 0 ? item : best),
    first,
  );
}

function compare(a: unknown, b: unknown): number {
  const isNumber = (value: unknown): value is number | bigint =>
    typeof value === 'number' || typeof value === 'bigint';
  if ((isNumber(a) && isNumber(b)) || (typeof a === 'string' && typeof b === 'string')) {
    return a < b ? -1 : Number(a > b);
  }
  throw new TypeError('the list has elements that cannot be compared');
}
