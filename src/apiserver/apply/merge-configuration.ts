import { itemsByStep } from '#apiserver/apply/compare.ts';
import { fieldPlace, itemPlace, shapeOf, type Place, type Shape } from '#apiserver/apply/shape.ts';

/** The object with a configuration laid over it. Neither is changed. */
export function mergeConfiguration(place: Place, live: unknown, applied: unknown): unknown {
  if (applied === undefined) return live;
  if (live === undefined) return applied;
  const [one, other] = [shapeOf(place, live), shapeOf(place, applied)];
  if (one.type === 'map' && other.type === 'map') {
    const merged = new Map(Object.entries(one.fields));
    for (const [name, value] of Object.entries(other.fields)) {
      merged.set(name, mergeConfiguration(fieldPlace(place, name), merged.get(name), value));
    }
    return Object.fromEntries(merged);
  }
  return one.type === 'list' && other.type === 'list' ? mergeItems(place, one, other) : applied;
}

type ListShape = Extract<Shape, { type: 'list' }>;

/** The configuration gives its elements their order; those of others stay where they stand between them. */
function mergeItems(place: Place, live: ListShape, applied: ListShape): unknown[] {
  const [mine, theirs] = [itemsByStep(live), itemsByStep(applied)];
  const pending = [...theirs];
  const shared = pending.map(([step]) => step).filter((step) => mine.has(step));
  const items = itemPlace(place);
  const merged: unknown[] = [];
  let taken = 0;
  let sharedTaken = 0;
  const take = (count: number): void => {
    for (const [step, item] of pending.slice(taken, taken + count)) {
      merged.push(mergeConfiguration(items, mine.get(step), item));
    }
    taken += count;
  };
  for (const item of live.items) {
    const step = live.stepOf(item);
    if (step === undefined || !theirs.has(step)) merged.push(item);
    if (step === undefined || step !== shared[sharedTaken]) continue;
    // Its turn has come: the new ones before it come first. Others that are shared come when it is theirs.
    sharedTaken += 1;
    let ahead = taken;
    while (pending[ahead]?.[0] !== step) ahead += 1;
    take(ahead + 1 - taken);
  }
  take(pending.length - taken);
  return merged;
}
