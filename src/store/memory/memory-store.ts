import { type FeedLimits } from '#store/change-feed.ts';
import { StoreImage } from '#store/store-image.ts';
import {
  StoreUnavailable,
  revisionOf,
  type Change,
  type Entry,
  type Listing,
  type Page,
  type Revision,
  type Store,
} from '#store/store.ts';
import { assertStorable, changeOf, nextRevision, type Write } from '#store/write.ts';

/** A store that lives as long as its process: for tests, and for platforms that may forget. */
export function openMemoryStore(limits: FeedLimits = {}): Promise<Store> {
  return Promise.resolve(new MemoryStore(limits));
}

class MemoryStore implements Store {
  readonly #image: StoreImage;
  #isClosed = false;

  constructor(limits: FeedLimits) {
    this.#image = new StoreImage(limits);
  }

  get revision(): Revision {
    return this.#image.revision;
  }

  async get(key: string): Promise<Entry | undefined> {
    return this.#image.get(key);
  }

  async list(prefix: string, page?: Page): Promise<Listing> {
    return this.#image.list(prefix, page);
  }

  async create(key: string, value: string): Promise<Entry> {
    return this.#write({ type: 'create', key, value }).entry;
  }

  async update(key: string, value: string, expected: Revision): Promise<Entry> {
    return this.#write({ type: 'update', key, value, expected }).entry;
  }

  async delete(key: string, expected: Revision): Promise<Revision> {
    return revisionOf(this.#write({ type: 'delete', key, expected }));
  }

  watch(prefix: string, after: Revision, signal: AbortSignal): AsyncIterable<Change> {
    return this.#image.watch(prefix, after, signal);
  }

  async compact(upTo: Revision): Promise<void> {
    this.#image.forget(upTo);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#image.close();
  }

  #write(write: Write): Change {
    if (this.#isClosed) throw new StoreUnavailable('it is closed');
    assertStorable(write);
    const change = changeOf(write, this.#image.get(write.key), nextRevision(this.#image.revision));
    this.#image.apply(change);
    return change;
  }
}
