import { dereference } from '#api/definitions.ts';
import { ApiError } from '#api/meta/api-error.ts';
import type { Schema } from '#api/schema.ts';
import { isFields } from '#apiserver/patch/merge-patch.ts';
import {
  badDirective,
  strategiesOf,
  withoutDirectives,
  type Fields,
} from '#apiserver/patch/directives.ts';

export interface ListPatch {
  readonly patch: readonly unknown[];
  /** The value of `$setElementOrder/<field>`, if the patch has one. */
  readonly order?: unknown;
  /** Merges a patch into one element, which is empty where the element is new. */
  readonly mergeElement: (schema: Schema, target: Fields, patch: Fields) => Fields;
}

/** Merges a list as its schema says: by key, as a set of plain values, or by replacing it. */
export function mergeList(
  reference: Schema,
  target: readonly unknown[],
  { patch, order, mergeElement }: ListPatch,
): readonly unknown[] {
  const schema = dereference(reference);
  // The strategy stands beside the reference, not in what it names.
  if (!strategiesOf(reference).includes('merge')) return patch.map(plain);
  if (order !== undefined && !Array.isArray(order)) throw badDirective('$setElementOrder', order);
  const mergeKey = reference['x-kubernetes-patch-merge-key'];
  if (mergeKey === undefined) {
    const merged = [...new Set([...target, ...patch])];
    return ordered(merged, { order: order ?? patch, target, identity: (item) => item });
  }
  const merged = mergeByKey({ schema, target, patch, mergeKey, mergeElement });
  const identity = (item: unknown): unknown => (isFields(item) ? item[mergeKey] : item);
  return ordered(merged, { order: order ?? patch, target, identity });
}

function mergeByKey(list: {
  schema: Schema;
  target: readonly unknown[];
  patch: readonly unknown[];
  mergeKey: string;
  mergeElement: ListPatch['mergeElement'];
}): unknown[] {
  const { schema, mergeKey, mergeElement } = list;
  const items = list.patch.map((item) => {
    if (isFields(item)) return item;
    throw new ApiError(
      'BadRequest',
      `the patch of a list merged by "${mergeKey}" holds ${JSON.stringify(item)}: an object was expected`,
    );
  });
  const isReplaced = items.some((item) => item['$patch'] === 'replace');
  const deletions = items.filter((item) => item['$patch'] === 'delete');
  // A key of the patch need not be unique in the list: two ports of a Service differ by their protocol alone.
  const gone = new Set(deletions.map((item) => keyOf(item, mergeKey)));
  const isGone = (other: unknown): boolean => isFields(other) && gone.has(other[mergeKey]);
  const merged = isReplaced ? [] : list.target.filter((other) => !isGone(other));
  for (const item of items) {
    const directive = item['$patch'];
    if (directive === 'delete') continue;
    if (directive === 'replace' && Object.keys(item).length === 1) continue;
    const key = keyOf(item, mergeKey);
    const at = merged.findIndex((other) => isFields(other) && other[mergeKey] === key);
    const found = merged[at];
    if (directive !== undefined && directive !== 'merge' && directive !== 'replace') {
      throw badDirective('$patch', directive);
    } else if (isFields(found)) {
      merged[at] = mergeElement(schema.items ?? {}, found, item);
    } else {
      merged.push(mergeElement(schema.items ?? {}, {}, item));
    }
  }
  return merged;
}

function keyOf(item: Fields, mergeKey: string): unknown {
  if (Object.hasOwn(item, mergeKey)) return item[mergeKey];
  throw new ApiError(
    'BadRequest',
    `map: ${JSON.stringify(item)} does not contain declared merge key: ${mergeKey}`,
  );
}

/**
 * The elements that `order` names stand in that order. Those it does not name, which only the server has, keep theirs
 * between them, and stand before a named element only where they stood before it on the server; a new one goes first.
 */
function ordered(
  merged: readonly unknown[],
  {
    order,
    target,
    identity,
  }: {
    order: readonly unknown[];
    target: readonly unknown[];
    identity: (item: unknown) => unknown;
  },
): unknown[] {
  const places = new Map(target.map((item, at) => [identity(item), at]));
  const names = new Map(order.map((item, at) => [identity(item), at]));
  const nameAt = (item: unknown): number => names.get(identity(item)) ?? -1;
  const named = merged.filter((item) => nameAt(item) >= 0);
  named.sort((one, other) => nameAt(one) - nameAt(other));
  const others = merged.filter((item) => nameAt(item) < 0);
  const result: unknown[] = [];
  for (const item of named) {
    const at = places.get(identity(item)) ?? -1;
    while (others.length > 0 && (places.get(identity(others[0])) ?? -1) < at) {
      result.push(others.shift());
    }
    result.push(item);
  }
  return [...result, ...others];
}

function plain(item: unknown): unknown {
  return isFields(item) ? withoutDirectives(item) : item;
}
