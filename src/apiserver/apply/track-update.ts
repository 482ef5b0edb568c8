import { compare } from '#apiserver/apply/compare.ts';
import { difference, union } from '#apiserver/apply/field-set.ts';
import { isSameOwner, type Owner } from '#apiserver/apply/managed-fields.ts';
import type { Fields, Place } from '#apiserver/apply/shape.ts';

export interface Update {
  readonly before: Fields;
  readonly after: Fields;
  /** Who writes, without fields; `time` is now. */
  readonly by: Owner;
}

/**
 * The owners after an ordinary write: who writes owns what it changed, and nobody owns what is gone. Returns `owners`
 * itself where nothing changed hands.
 */
export function trackUpdate(
  place: Place,
  owners: readonly Owner[],
  { before, after, by }: Update,
): readonly Owner[] {
  const { changed, removed } = compare(place, before, after);
  if (changed === undefined && removed === undefined) return owners;
  const others = owners
    .filter((owner) => !isSameOwner(owner, by))
    .map((owner) => ({
      ...owner,
      fields: difference(difference(owner.fields, changed), removed),
    }));
  const mine = owners.find((owner) => isSameOwner(owner, by));
  const fields = union(difference(mine?.fields, removed), changed);
  if (fields === undefined) return others;
  return [...others, { ...by, fields, time: changed === undefined ? mine?.time : by.time }];
}
