import { AsyncQueue } from '#base/async-queue.ts';
import { Compacted, SlowReader, revisionOf, type Change, type Revision } from '#store/store.ts';

export interface FeedLimits {
  /** This many latest changes are kept for watches that resume; 10,000 unless told. */
  readonly historyMax?: number;
  /** UTF-16 code units of their values; beyond it half of them go, the oldest first. 16 Mi unless told. */
  readonly historyLengthMax?: number;
  /** A watch whose reader is more changes behind than this fails with SlowReader; 10,000 unless told. */
  readonly lagMax?: number;
}

interface Watcher {
  readonly after: Revision;
  readonly queue: AsyncQueue<Change>;
}

/**
 * The latest changes, and who waits for the next. Watchers sit in one bucket per prefix; a change looks up one bucket for
 * each length a watched prefix has, so it visits no watcher of another prefix, however many there are.
 */
export class ChangeFeed {
  readonly #historyMax: number;
  readonly #historyLengthMax: number;
  readonly #lagMax: number;
  /** Every revision after #floor, without a gap; trimmed late so that forgetting costs O(1) a change. */
  #history: Change[] = [];
  #floor = 0;
  /** Of the values in #history. */
  #length = 0;
  readonly #buckets = new Map<string, Set<Watcher>>();
  /** Length of a watched prefix, and how many buckets have it. */
  readonly #lengths = new Map<number, number>();
  #isClosed = false;

  constructor(limits: FeedLimits = {}) {
    this.#historyMax = limits.historyMax ?? 10_000;
    this.#historyLengthMax = limits.historyLengthMax ?? 16 * 1024 * 1024;
    this.#lagMax = limits.lagMax ?? 10_000;
  }

  /** Changes come in the order of their revisions, without a gap. */
  publish(change: Change): void {
    this.#history.push(apart(change));
    this.#length += change.entry.value.length;
    if (this.#length > this.#historyLengthMax) this.forget(this.#half());
    if (this.#history.length > 2 * this.#historyMax) {
      this.forget(revisionOf(change) - this.#historyMax);
    }
    const { key } = change.entry;
    for (const length of this.#lengths.keys()) {
      const bucket = this.#buckets.get(key.slice(0, length));
      if (bucket) deliver(change, bucket);
    }
  }

  /** Forgets the changes up to and including revision `upTo`. */
  forget(upTo: number): void {
    if (upTo <= this.#floor) return;
    for (const { entry } of this.#history.splice(0, upTo - this.#floor)) {
      this.#length -= entry.value.length;
    }
    this.#floor = upTo;
  }

  /** The revision up to which the history has to go for the rest to be half as long as it may be. */
  #half(): number {
    let left = this.#length;
    const kept = this.#history.findIndex(({ entry }) => {
      const isShort = left <= this.#historyLengthMax / 2;
      left -= entry.value.length;
      return isShort;
    });
    return this.#floor + (kept < 0 ? this.#history.length : kept);
  }

  /** As Store.watch says. */
  async *watch(
    prefix: string,
    after: Revision,
    signal: AbortSignal,
  ): AsyncGenerator<Change, void, undefined> {
    if (signal.aborted || this.#isClosed) return;
    const backlog = this.#since(after)
      .filter((change) => change.entry.key.startsWith(prefix))
      .map(apart);
    const queue = new AsyncQueue<Change>(this.#lagMax, () => new SlowReader(this.#lagMax));
    const watcher = { after, queue };
    this.#join(prefix, watcher);
    const onAbort = (): void => queue.end();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      for (const changes of [backlog, queue]) {
        for await (const change of changes) {
          if (signal.aborted) return;
          yield change;
        }
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#leave(prefix, watcher);
    }
  }

  /** Ends every watch, also those to come, without an error. */
  close(): void {
    this.#isClosed = true;
    for (const bucket of this.#buckets.values()) for (const { queue } of bucket) queue.end();
  }

  #since(after: Revision): Change[] {
    // Trimming is late, so the array may reach further back than historyMax says; how far must not depend on chance.
    const last = this.#floor + this.#history.length;
    const oldest = Math.max(this.#floor, last - this.#historyMax);
    if (after < oldest) throw new Compacted(after, oldest as Revision);
    return this.#history.slice(after - this.#floor);
  }

  #join(prefix: string, watcher: Watcher): void {
    const bucket = this.#buckets.get(prefix);
    if (bucket) {
      bucket.add(watcher);
      return;
    }
    this.#buckets.set(prefix, new Set([watcher]));
    this.#lengths.set(prefix.length, (this.#lengths.get(prefix.length) ?? 0) + 1);
  }

  #leave(prefix: string, watcher: Watcher): void {
    const bucket = this.#buckets.get(prefix);
    bucket?.delete(watcher);
    if (bucket?.size !== 0) return;
    this.#buckets.delete(prefix);
    const others = (this.#lengths.get(prefix.length) ?? 1) - 1;
    if (others > 0) this.#lengths.set(prefix.length, others);
    else this.#lengths.delete(prefix.length);
  }
}

function deliver(change: Change, bucket: ReadonlySet<Watcher>): void {
  const revision = revisionOf(change);
  for (const { after, queue } of bucket) if (revision > after) queue.push(change);
}

/**
 * The same in objects of its own. Readers remember by the identity of an entry or a change what they made of it, several
 * times its size; what only the history still holds would keep that alive.
 */
function apart(change: Change): Change {
  const entry = { ...change.entry };
  if (change.type === 'delete') return { ...change, entry };
  return change.previous
    ? { type: 'put', entry, previous: { ...change.previous } }
    : { type: 'put', entry };
}
