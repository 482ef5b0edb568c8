import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '#base/clock.ts';
import type { StoreImage } from '#store/store-image.ts';
import {
  StoreUnavailable,
  revisionOf,
  type Change,
  type Entry,
  type Revision,
} from '#store/store.ts';
import { assertStorable, changeOf, conflictOf, nextRevision, type Write } from '#store/write.ts';

export interface GroupCommitOptions {
  /** Holds what is durable; this class alone applies changes to it. */
  readonly image: StoreImage;
  readonly clock: Clock;
  /** Resolves when all the changes are durable. Where it rejects, any beginning of them may be or become so. */
  readonly append: (changes: readonly Change[]) => Promise<void>;
  /** Makes `append` work again after it failed, and the image hold whatever became durable. */
  readonly recover: () => Promise<void>;
}

interface Pending {
  readonly change: Change;
  readonly answer: PromiseWithResolvers<Change>;
  /** Resolves when the answer is known, whatever it is. */
  readonly settled: Promise<unknown>;
}

const BATCH_WRITES_MAX = 512;
/** UTF-16 code units of values. Above this a batch costs more in its own copying than it saves in syncs. */
const BATCH_LENGTH_MAX = 4 * 1024 * 1024;
/** More writes than this do not wait: the disk is not keeping up, and each holds its value in memory. */
const PENDING_MAX = 10_000;
/** After a failure writes fail at once for this long, so that a full disk is not tried once a write. */
const RETRY_MS = 1_000;

/**
 * Turns concurrent writes into batches of which each costs one sync. A write is checked against what its key will hold
 * when every write before it is durable, so writers of one key need not wait for each other's syncs; but nobody is told
 * of a value that is not durable: a conflict with a pending write is answered when that one is settled.
 */
export class GroupCommit {
  readonly #options: GroupCommitOptions;
  #queue: Pending[] = [];
  /** The last pending write of each key. */
  readonly #tips = new Map<string, Pending>();
  /** Of the last write that was queued since the last failure; the image may be ahead of it after it was loaded. */
  #queued = 0 as Revision;
  #isRunning = false;
  #drained: Promise<void> = Promise.resolve();
  #failure: { readonly error: StoreUnavailable; readonly retryAtMs: number } | undefined;
  #recovery: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: GroupCommitOptions) {
    this.#options = options;
  }

  /** Resolves when the write is durable and applied. Throws as Store's writes do. */
  async submit(write: Write): Promise<Change> {
    assertStorable(write);
    for (;;) {
      // Without an await where nothing is wrong: what was asked for before close() is then queued before it.
      if (this.#failure || this.#isClosed) await this.ready();
      const tip = this.#tips.get(write.key);
      const current = tip ? entryAfter(tip.change) : this.#options.image.get(write.key);
      const conflict = conflictOf(write, current);
      if (!conflict) return await this.#enqueue(changeOf(write, current, this.#nextRevision()));
      if (!tip) throw conflict;
      await tip.settled;
    }
  }

  /** Resolves when writes can be made durable, as far as is known; recovers first where they could not. */
  async ready(): Promise<void> {
    while (this.#failure && !this.#isClosed) {
      const { error, retryAtMs } = this.#failure;
      if (this.#options.clock.monotonicMs() < retryAtMs) throw error;
      this.#recovery ??= this.#recover();
      await this.#recovery;
    }
    if (this.#isClosed) throw new StoreUnavailable('it is closed');
  }

  /** Rejects all that is pending: what is durable is unknown from here on, until a recovery. */
  fail(cause: unknown, batch: readonly Pending[] = []): void {
    const error = unavailable(cause);
    this.#failure = { error, retryAtMs: this.#options.clock.monotonicMs() + RETRY_MS };
    const rejected = [...batch, ...this.#queue];
    this.#queue = [];
    this.#tips.clear();
    for (const { answer } of rejected) answer.reject(error);
  }

  /** Takes no more writes; resolves when those taken are settled. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#drained;
    await Promise.allSettled([this.#recovery]);
  }

  async #enqueue(change: Change): Promise<Change> {
    if (this.#queue.length >= PENDING_MAX) {
      throw new StoreUnavailable(`${PENDING_MAX} writes are waiting for the disk`);
    }
    const answer = Promise.withResolvers<Change>();
    const pending = { change, answer, settled: Promise.allSettled([answer.promise]) };
    this.#queue.push(pending);
    this.#tips.set(change.entry.key, pending);
    this.#queued = revisionOf(change);
    if (!this.#isRunning) this.#drained = this.#run();
    return await answer.promise;
  }

  #nextRevision(): Revision {
    const { revision } = this.#options.image;
    return nextRevision(revision > this.#queued ? revision : this.#queued);
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#queue.length > 0) {
      // Whoever is answered or heard in this turn of the event loop may still join the batch.
      await nextTurn();
      const batch = this.#takeBatch();
      try {
        await this.#options.append(batch.map(({ change }) => change));
      } catch (error) {
        this.fail(error, batch);
        break;
      }
      for (const pending of batch) this.#settle(pending);
    }
    this.#isRunning = false;
  }

  #takeBatch(): Pending[] {
    let length = 0;
    const end = this.#queue.findIndex(({ change }, at) => {
      length += change.entry.value.length;
      return at > 0 && (at >= BATCH_WRITES_MAX || length > BATCH_LENGTH_MAX);
    });
    return this.#queue.splice(0, end < 0 ? this.#queue.length : end);
  }

  #settle(pending: Pending): void {
    const { key } = pending.change.entry;
    if (this.#tips.get(key) === pending) this.#tips.delete(key);
    this.#options.image.apply(pending.change);
    pending.answer.resolve(pending.change);
  }

  async #recover(): Promise<void> {
    try {
      await this.#options.recover();
      this.#queued = 0 as Revision;
      this.#failure = undefined;
    } catch (error) {
      this.fail(error);
      throw this.#failure?.error ?? error;
    } finally {
      this.#recovery = undefined;
    }
  }
}

function entryAfter(change: Change): Entry | undefined {
  return change.type === 'put' ? change.entry : undefined;
}

function unavailable(cause: unknown): StoreUnavailable {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new StoreUnavailable(`${reason}. It is tried again with the next writes`, { cause });
}
