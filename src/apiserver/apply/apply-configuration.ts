import { appliedFields } from '#apiserver/apply/applied-fields.ts';
import { compare } from '#apiserver/apply/compare.ts';
import { applyConflict, type Conflict } from '#apiserver/apply/conflict.ts';
import { difference, intersection, union, type FieldSet } from '#apiserver/apply/field-set.ts';
import { isSameOwner, type Owner } from '#apiserver/apply/managed-fields.ts';
import { mergeConfiguration } from '#apiserver/apply/merge-configuration.ts';
import { prune } from '#apiserver/apply/prune.ts';
import type { Fields, Place } from '#apiserver/apply/shape.ts';
import { trackUpdate } from '#apiserver/apply/track-update.ts';

export interface Application {
  /** The object as it is, its unowned fields left out; empty where it is to be created. */
  readonly live: Fields;
  readonly configuration: Fields;
  /** Who applies, without fields; `time` is now. */
  readonly by: Owner;
  /** Take what others own, rather than refuse. */
  readonly isForced: boolean;
  /** What may be taken from others in any case. */
  readonly yielded?: FieldSet | undefined;
}

export interface Applied {
  readonly object: Fields;
  readonly owners: readonly Owner[];
}

/** A configuration that no object of the kind can have, with what is wrong about it. */
export class NotApplicable extends Error {
  override readonly name = 'NotApplicable';
}

/** Who owns what was there before anybody applied. */
const BEFORE_FIRST_APPLY = 'before-first-apply';

/**
 * Server-side apply (https://kubernetes.io/docs/reference/using-api/server-side-apply): lays a configuration over the
 * object, takes away what its manager applied before and does not now, and says who owns what. Throws NotApplicable, and
 * Conflict where others own what would change.
 */
export function applyConfiguration(
  place: Place,
  owners: readonly Owner[],
  { live, configuration, by, isForced, yielded }: Application,
): Applied {
  const errors: string[] = [];
  const fields = appliedFields(place, configuration, { errors });
  if (errors.length > 0) throw new NotApplicable(errors.join('\n'));
  const known = owners.length > 0 ? owners : ownersBefore(place, live, by);
  const last = known.find((owner) => isSameOwner(owner, by))?.fields;
  const others = known.filter((owner) => !isSameOwner(owner, by));
  const kept = others.reduce((sum, owner) => union(sum, owner.fields), fields);
  const merged = mergeConfiguration(place, live, configuration);
  // An object is left as one, also without fields.
  const object = (prune(place, merged, { last, kept }) ?? {}) as Fields;
  const { changed, removed } = compare(place, live, object);
  const conflicts = others.flatMap((owner): Conflict[] => {
    const taken = difference(intersection(owner.fields, changed), yielded);
    return taken === undefined ? [] : [{ owner, fields: taken }];
  });
  if (conflicts.length > 0 && !isForced) throw applyConflict(conflicts);
  const left = others.map((owner) => ({
    ...owner,
    fields: difference(difference(owner.fields, changed), removed),
  }));
  // As Kubernetes: who changed nothing keeps the time of its last change, and has none if there was none.
  const isIdle = changed === undefined && removed === undefined;
  const time = isIdle ? known.find((owner) => isSameOwner(owner, by))?.time : by.time;
  return { object, owners: [...left, { ...by, fields, time }] };
}

function ownersBefore(place: Place, live: Fields, by: Owner): readonly Owner[] {
  const before: Owner = { ...by, manager: BEFORE_FIRST_APPLY, operation: 'Update' };
  return trackUpdate(place, [], { before: { metadata: {} }, after: live, by: before });
}
