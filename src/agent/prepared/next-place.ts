/** What one machine keeps at most. */
export const PREPARED_MAX = 128;
/** A created container and its conmon: 1.4 MB and 0.5 MB; rounded up. */
const PREPARED_BYTES = 2 * 1024 * 1024;
const MEMORY_SHARE = 0.05;

/** How many prepared sandboxes a machine of so much memory keeps. */
export function preparedMax(memoryBytes: number): number {
  return Math.min(PREPARED_MAX, Math.floor((memoryBytes * MEMORY_SHARE) / PREPARED_BYTES));
}

/** What a ReplicaSet has of the places for prepared sandboxes, and what it wants. */
export interface Contender {
  /** When it was called last; only compared. */
  readonly calledMs: number;
  /** How many more should be made for it now. */
  readonly missing: number;
  /** What it has, ready or being made. */
  readonly held: number;
  /** How many of those it could give up. */
  readonly idle: number;
}

/**
 * For whom the next sandbox is made: the one that was called last of those that miss some. Where all places are taken, the
 * one that was called longest ago gives one up (`instead`), unless it was called later. Undefined: nothing is to do.
 */
export function nextPlace<T extends Contender>(
  contenders: readonly T[],
  capacity: number,
): { readonly next: T; readonly instead?: T } | undefined {
  let next: T | undefined;
  let oldest: T | undefined;
  let held = 0;
  for (const each of contenders) {
    held += each.held;
    if (each.missing > 0 && (!next || each.calledMs > next.calledMs)) next = each;
    if (each.idle > 0 && (!oldest || each.calledMs < oldest.calledMs)) oldest = each;
  }
  if (!next) return undefined;
  if (held < capacity) return { next };
  return oldest && oldest.calledMs < next.calledMs ? { next, instead: oldest } : undefined;
}
