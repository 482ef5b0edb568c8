import { systemClock, type Clock } from '#base/clock.ts';
import type { FeedLimits } from '#store/change-feed.ts';
import { GroupCommit } from '#store/sqlite/group-commit.ts';
import { changeOfRecord, entryOf, recordOf, type LogRecord } from '#store/sqlite/log-record.ts';
import { LogThread } from '#store/sqlite/log-thread.ts';
import type { Damage } from '#store/sqlite/refusal.ts';
import { StoreImage } from '#store/store-image.ts';
import {
  revisionOf,
  type Change,
  type Entry,
  type Listing,
  type Page,
  type Revision,
  type Store,
} from '#store/store.ts';
import type { Write } from '#store/write.ts';

export interface SqliteStoreOptions extends FeedLimits {
  /** Made where it is absent; holds nothing else. One process at a time. */
  readonly folder: string;
  /** Where the files are damaged, goes on with what can be proven instead of refusing, and tells `onLoss` what was not. */
  readonly acceptLoss?: boolean;
  readonly onLoss?: (damages: readonly Damage[]) => void;
  /** Of the database file, whose WAL comes on top; 8 GiB unless told. Above it writes throw StoreUnavailable. */
  readonly bytesMax?: number;
  readonly clock?: Clock;
}

const HISTORY_MAX = 10_000;
const BYTES_MAX = 8 * 1024 ** 3;

/**
 * A store on disk. Throws StoreDamaged where the files do not prove every acknowledged write, SchemaUnknown where a newer
 * knode wrote them, StoreInUse where another process has them open; each leaves them as they are.
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  const store = new SqliteStore(options);
  await store.open();
  return store;
}

class SqliteStore implements Store {
  readonly #options: SqliteStoreOptions;
  readonly #historyMax: number;
  readonly #image: StoreImage;
  readonly #commit: GroupCommit;
  #log: LogThread | undefined;
  /** How far the log's history is compacted. */
  #compacted = 0;
  #isTrimming = false;

  constructor(options: SqliteStoreOptions) {
    this.#options = options;
    this.#historyMax = options.historyMax ?? HISTORY_MAX;
    this.#image = new StoreImage({ ...options, historyMax: this.#historyMax });
    this.#commit = new GroupCommit({
      image: this.#image,
      clock: options.clock ?? systemClock,
      append: (changes) => this.#append(changes),
      recover: () => this.#reopen(),
    });
  }

  async open(): Promise<void> {
    const damages = await this.#openLog(this.#options.acceptLoss ?? false);
    if (damages.length > 0) this.#options.onLoss?.(damages);
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
    return (await this.#write({ type: 'create', key, value })).entry;
  }

  async update(key: string, value: string, expected: Revision): Promise<Entry> {
    return (await this.#write({ type: 'update', key, value, expected })).entry;
  }

  async delete(key: string, expected: Revision): Promise<Revision> {
    return revisionOf(await this.#write({ type: 'delete', key, expected }));
  }

  watch(prefix: string, after: Revision, signal: AbortSignal): AsyncIterable<Change> {
    return this.#image.watch(prefix, after, signal);
  }

  async compact(upTo: Revision): Promise<void> {
    await this.#commit.ready();
    await this.#compactLog(Math.min(upTo, this.revision));
    this.#image.forget(upTo);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#commit.close();
    this.#image.close();
    await this.#log?.[Symbol.asyncDispose]();
  }

  async #write(write: Write): Promise<Change> {
    const change = await this.#commit.submit(write);
    // What a restart could not watch any more need not stay on disk. At twice the limit, so that it is seldom.
    if (this.revision - this.#compacted > 2 * this.#historyMax) void this.#trim();
    return change;
  }

  async #append(changes: readonly Change[]): Promise<void> {
    if (!this.#log) throw new Error('the log is not open');
    await this.#log.append(changes.map(recordOf));
  }

  async #trim(): Promise<void> {
    if (this.#isTrimming) return;
    this.#isTrimming = true;
    try {
      await this.#compactLog(this.revision - this.#historyMax);
    } catch (error) {
      // The same disk that writes need: the next one finds out whether it works again.
      this.#commit.fail(error);
    } finally {
      this.#isTrimming = false;
    }
  }

  async #compactLog(upTo: number): Promise<void> {
    await this.#log?.compact(upTo);
    this.#compacted = Math.max(this.#compacted, upTo);
  }

  /** After a failure the files are proven and opened anew, so that memory follows whatever became durable. */
  async #reopen(): Promise<void> {
    await this.#log?.[Symbol.asyncDispose]();
    await this.#openLog(false);
  }

  async #openLog(acceptLoss: boolean): Promise<readonly Damage[]> {
    const { folder, bytesMax = BYTES_MAX } = this.#options;
    const { thread, revision, compacted, damages } = await LogThread.open(
      { folder, bytesMax, acceptLoss, after: this.revision },
      { onRecords: (records, upTo) => this.#load(records, upTo) },
    );
    this.#log = thread;
    this.#compacted = compacted;
    this.#forgetUpTo(Math.min(revision, compacted));
    return damages;
  }

  #load(records: readonly LogRecord[], compacted: number): void {
    for (const record of records) {
      if (record.revision <= compacted) this.#image.restore(entryOf(record), record.revision);
      else {
        this.#forgetUpTo(compacted);
        this.#image.apply(changeOfRecord(record, this.#image.get(record.key)));
      }
    }
  }

  /** The last revisions before the history may be ones that compaction removed. */
  #forgetUpTo(revision: number): void {
    if (this.revision < revision) this.#image.restore(undefined, revision as Revision);
  }
}
