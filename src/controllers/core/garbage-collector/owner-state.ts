import type { OwnerReference } from '#api/meta/object-meta.ts';

export const FOREGROUND = 'foregroundDeletion';
export const ORPHAN = 'orphan';

/**
 * What is known of an owner: there and staying, gone, or waiting (by foreground deletion) for those that depend on it.
 * `unknown` where its kind is none of ours: then it counts as there.
 */
export type OwnerState = 'there' | 'gone' | 'waiting' | 'unknown';

export type Verdict =
  | { readonly action: 'keep' }
  /** Some owner stays: only the references to the others go. */
  | { readonly action: 'drop-references'; readonly uids: readonly string[] }
  | { readonly action: 'delete'; readonly policy: 'Foreground' | 'Background' | 'Orphan' };

/** What becomes of an object whose owners are in these states, in the order of `owners`. */
export function verdict(
  owners: readonly OwnerReference[],
  {
    states,
    finalizers = [],
  }: {
    readonly states: readonly OwnerState[];
    readonly finalizers?: readonly string[] | undefined;
  },
): Verdict {
  const lost = owners.filter((_, at) => states[at] === 'gone' || states[at] === 'waiting');
  if (lost.length === 0) return { action: 'keep' };
  if (lost.length < owners.length) {
    return { action: 'drop-references', uids: lost.map(({ uid }) => uid) };
  }
  // An owner that waits must see all below this object gone as well.
  if (states.includes('waiting')) return { action: 'delete', policy: 'Foreground' };
  if (finalizers.includes(ORPHAN)) return { action: 'delete', policy: 'Orphan' };
  if (finalizers.includes(FOREGROUND)) return { action: 'delete', policy: 'Foreground' };
  return { action: 'delete', policy: 'Background' };
}
