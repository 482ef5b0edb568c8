import { ChangeFeed, type FeedLimits } from '#store/change-feed.ts';
import { SortedKeys } from '#store/sorted-keys.ts';
import {
  revisionOf,
  type Change,
  type Entry,
  type Listing,
  type Page,
  type Revision,
} from '#store/store.ts';

/**
 * What a log amounts to, in memory: the current entries, and the feed of changes. Every driver reads from one; what makes
 * a change durable before it is applied here is the driver's own business.
 */
export class StoreImage {
  readonly #entries = new Map<string, Entry>();
  readonly #keys = new SortedKeys();
  readonly #feed: ChangeFeed;
  #revision = 0 as Revision;

  constructor(limits: FeedLimits = {}) {
    this.#feed = new ChangeFeed(limits);
  }

  get revision(): Revision {
    return this.#revision;
  }

  /** Makes the change visible to reads and watches, at once and together. */
  apply(change: Change): void {
    this.#hold(change);
    this.#revision = revisionOf(change);
    this.#feed.publish(change);
  }

  /** Takes an entry of before the history, which therefore ends at `revision`. For loading, before anyone watches. */
  restore(entry: Entry | undefined, revision: Revision): void {
    if (entry) this.#hold({ type: 'put', entry });
    this.#revision = revision;
    this.#feed.forget(revision);
  }

  get(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  list(prefix: string, page: Page = {}): Listing {
    const { limit = Infinity, startAfter } = page;
    const first = this.#keys.rank(
      (key) => key < prefix || (startAfter !== undefined && key <= startAfter),
    );
    const end = this.#keys.rank((key) => key < prefix || key.startsWith(prefix));
    const last = Math.max(first, Math.min(end, first + limit));
    return {
      entries: this.#keys.slice(first, last).map((key) => this.#entries.get(key) as Entry),
      at: this.#revision,
      remaining: Math.max(0, end - last),
    };
  }

  watch(prefix: string, after: Revision, signal: AbortSignal): AsyncIterable<Change> {
    return this.#feed.watch(prefix, after, signal);
  }

  /** Forgets the history up to and including `upTo`, at most all there is. */
  forget(upTo: Revision): void {
    this.#feed.forget(Math.min(upTo, this.#revision));
  }

  /** Ends every watch. */
  close(): void {
    this.#feed.close();
  }

  #hold(change: Change): void {
    const { key } = change.entry;
    if (change.type === 'delete') {
      if (this.#entries.delete(key)) this.#keys.remove(key);
      return;
    }
    if (!this.#entries.has(key)) this.#keys.add(key);
    this.#entries.set(key, change.entry);
  }
}
