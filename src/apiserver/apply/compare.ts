import { isDeepStrictEqual } from 'node:util';
import { fieldSet, type FieldSet } from '#apiserver/apply/field-set.ts';
import {
  fieldPlace,
  isAlwaysThere,
  itemPlace,
  shapeOf,
  type Place,
  type Shape,
} from '#apiserver/apply/shape.ts';

export interface Comparison {
  /** Fields that are new, or have another value. */
  readonly changed: FieldSet | undefined;
  readonly removed: FieldSet | undefined;
}

const NONE: Comparison = { changed: undefined, removed: undefined };

/** What makes one value of the other, field by field as their schema lets them be owned. */
export function compare(place: Place, before: unknown, after: unknown): Comparison {
  if (before === after) return NONE;
  if (before === undefined) return { changed: allOf(place, after), removed: undefined };
  if (after === undefined) return { changed: undefined, removed: allOf(place, before) };
  const [one, other] = [shapeOf(place, before), shapeOf(place, after)];
  if (one.type === 'map' && other.type === 'map') {
    const names = new Set([...Object.keys(one.fields), ...Object.keys(other.fields)]);
    return joined(Array.from(names, (name) => fieldStep(place, name, { one, other })));
  }
  if (one.type === 'list' && other.type === 'list') return compareItems(place, one, other);
  if (one.type !== other.type) {
    return { changed: allOf(place, after), removed: allOf(place, before) };
  }
  return isDeepStrictEqual(before, after) ? NONE : { changed: {}, removed: undefined };
}

type Step = readonly [step: string, comparison: Comparison];
type MapShape = Extract<Shape, { type: 'map' }>;
type ListShape = Extract<Shape, { type: 'list' }>;

function fieldStep(
  place: Place,
  name: string,
  { one, other }: { readonly one: MapShape; readonly other: MapShape },
): Step {
  const after = own(other, name);
  const before = own(one, name) ?? emptied(place, name, after);
  return [`f:${name}`, compare(fieldPlace(place, name), before, after)];
}

function compareItems(place: Place, one: ListShape, other: ListShape): Comparison {
  const [before, after] = [itemsByStep(one), itemsByStep(other)];
  const steps = new Set([...before.keys(), ...after.keys()]);
  const items = itemPlace(place);
  return joined(
    Array.from(steps, (step) => [step, compare(items, before.get(step), after.get(step))] as const),
  );
}

/** Every field of a value that is there as a whole or not at all. */
function allOf(place: Place, value: unknown): FieldSet | undefined {
  const shape = shapeOf(place, value);
  switch (shape.type) {
    case 'leaf':
      return {};
    case 'map':
      return fieldSet(
        Object.entries(shape.fields).map(
          ([name, each]) => [`f:${name}`, allOf(fieldPlace(place, name), each)] as const,
        ),
        { isMember: true },
      );
    case 'list':
      return fieldSet(
        Array.from(
          itemsByStep(shape),
          ([step, item]) => [step, allOf(itemPlace(place), item)] as const,
        ),
        { isMember: true },
      );
    default:
      return shape satisfies never;
  }
}

/** Elements by their steps. Of two alike the last counts: whoever wrote them owns both. */
export function itemsByStep(list: ListShape): Map<string, unknown> {
  const items = new Map<string, unknown>();
  for (const item of list.items) {
    const step = list.stepOf(item);
    if (step !== undefined) items.set(step, item);
  }
  return items;
}

function joined(steps: readonly Step[]): Comparison {
  const changed = steps.map(([step, found]) => [step, found.changed] as const);
  const removed = steps.map(([step, found]) => [step, found.removed] as const);
  const isMember = false;
  return { changed: fieldSet(changed, { isMember }), removed: fieldSet(removed, { isMember }) };
}

/** Stands for a field that Go has in every object, so that filling it does not count as making it. */
function emptied(place: Place, name: string, after: unknown): unknown {
  if (after === null || typeof after !== 'object' || !isAlwaysThere(place, name)) return undefined;
  return Array.isArray(after) ? [] : {};
}

function own({ fields }: MapShape, name: string): unknown {
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}
