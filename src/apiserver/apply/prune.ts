import { below, isMember, type FieldSet } from '#apiserver/apply/field-set.ts';
import { fieldPlace, isDeclared, itemPlace, shapeOf, type Place } from '#apiserver/apply/shape.ts';

/**
 * The value without what its manager applied before (`last`) and nobody owns now (`kept`: of all others, and this one's
 * new configuration). What is left empty by that goes too. Undefined: nothing is left.
 */
export function prune(
  place: Place,
  value: unknown,
  sets: { readonly last: FieldSet | undefined; readonly kept: FieldSet | undefined },
): unknown {
  const { last, kept } = sets;
  if (last === undefined) return value;
  const shape = shapeOf(place, value);
  if (shape.type === 'leaf') return value;
  const isGone = (step: string, isNamed: boolean): boolean => {
    const before = below(last, step);
    // A declared field goes as a whole with what its manager had in it; others only if they were its own.
    return before !== undefined && (isNamed || isMember(before)) && below(kept, step) === undefined;
  };
  const descend = (step: string): typeof sets => ({
    last: below(last, step),
    kept: below(kept, step),
  });
  if (shape.type === 'map') {
    const fields = Object.entries(shape.fields).flatMap(([name, each]) => {
      const step = `f:${name}`;
      if (isGone(step, isDeclared(place, name))) return [];
      const left = prune(fieldPlace(place, name), each, descend(step));
      return left === undefined ? [] : [[name, left] as const];
    });
    const isEmptied = fields.length === 0 && Object.keys(shape.fields).length > 0;
    return isEmptied ? undefined : Object.fromEntries(fields);
  }
  const items = shape.items.flatMap((item) => {
    const step = shape.stepOf(item);
    if (step === undefined) return [item];
    // Who owns something in an item and not the item itself cannot keep it.
    if (isMember(below(last, step)) && !isMember(below(kept, step))) return [];
    const left = prune(itemPlace(place), item, descend(step));
    return left === undefined ? [] : [left];
  });
  return items.length === 0 && shape.items.length > 0 ? undefined : items;
}
