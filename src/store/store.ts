/** A position in the log of all writes: 1 for the first, then one more each, never reused. */
export type Revision = number & { readonly brand: 'Revision' };

export interface Entry {
  readonly key: string;
  readonly value: string;
  /** Of the write that created the key. */
  readonly created: Revision;
  /** Of the write that gave it this value. */
  readonly modified: Revision;
}

export interface Page {
  /** At most this many entries; all where absent. */
  readonly limit?: number;
  /** Only keys after this one, in the order of UTF-16 code units. */
  readonly startAfter?: string;
}

export interface Listing {
  /** In the order of their keys. */
  readonly entries: readonly Entry[];
  /** The revision the listing was true at: a watch from here misses nothing. */
  readonly at: Revision;
  /** How many entries under the prefix come after the last one listed. */
  readonly remaining: number;
}

export type Change =
  | { readonly type: 'put'; readonly entry: Entry; readonly previous?: Entry }
  /** `entry` is the last value the key had; `at` the revision of the delete. */
  | { readonly type: 'delete'; readonly entry: Entry; readonly at: Revision };

/** The revision of the write that made this change. */
export function revisionOf(change: Change): Revision {
  return change.type === 'put' ? change.entry.modified : change.at;
}

/**
 * An ordered log of writes under string keys; knows nothing of kinds, namespaces or JSON. A write resolves only after
 * it is as durable as the driver promises, and is visible to reads and watches only then. Reads are from memory. A write
 * throws RangeError where key or value is longer than write.ts allows or is not well-formed Unicode, and StoreUnavailable
 * where it could not be made durable.
 */
export interface Store extends AsyncDisposable {
  /** Of the last acknowledged write; 0 when there was none. */
  readonly revision: Revision;
  get(key: string): Promise<Entry | undefined>;
  list(prefix: string, page?: Page): Promise<Listing>;
  /** Throws KeyExists. */
  create(key: string, value: string): Promise<Entry>;
  /** Throws StaleRevision where the key's `modified` is not `expected`, or the key is absent. */
  update(key: string, value: string, expected: Revision): Promise<Entry>;
  /** Resolves with the revision of the delete. Throws StaleRevision likewise. */
  delete(key: string, expected: Revision): Promise<Revision>;
  /**
   * Every change under `prefix` after revision `after`, in order and without a gap, until `signal` is aborted (then it
   * ends without an error). Throws Compacted where the history does not reach back to `after`, and SlowReader where
   * the reader falls too far behind.
   */
  watch(prefix: string, after: Revision, signal: AbortSignal): AsyncIterable<Change>;
  /** Forgets the history up to and including `upTo`; current values stay. */
  compact(upTo: Revision): Promise<void>;
}

export class KeyExists extends Error {
  override readonly name = 'KeyExists';
  readonly entry: Entry;
  constructor(entry: Entry) {
    super(`Cannot create the key "${entry.key}": it exists at revision ${entry.modified}`);
    this.entry = entry;
  }
}

export class StaleRevision extends Error {
  override readonly name = 'StaleRevision';
  /** What the key holds now; absent where it holds nothing. */
  readonly current: Entry | undefined;
  constructor(key: string, expected: Revision, current: Entry | undefined) {
    const found = current ? `revision ${current.modified}` : 'nothing';
    super(`Cannot write the key "${key}": expected revision ${expected}, found ${found}`);
    this.current = current;
  }
}

export class Compacted extends Error {
  override readonly name = 'Compacted';
  readonly after: Revision;
  /** The history begins after it. */
  readonly oldest: Revision;
  constructor(after: Revision, oldest: Revision) {
    super(`Cannot watch from revision ${after}: history begins after revision ${oldest}`);
    this.after = after;
    this.oldest = oldest;
  }
}

export class SlowReader extends Error {
  override readonly name = 'SlowReader';
  constructor(limit: number) {
    super(`Cannot go on with this watch: its reader is too far behind, at most ${limit} changes`);
  }
}

/**
 * A write that could not be made durable: the disk is full or failing, or the store is closed. Nothing of it was visible;
 * where the disk failed in the middle of a commit it may become visible later, as after a broken connection. Reads and
 * watches go on. The store tries the disk again with later writes, so it recovers without a restart.
 */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
  constructor(reason: string, options?: ErrorOptions) {
    super(`Cannot write to the store: ${reason}`, options);
  }
}
