import { backoffMs } from '#base/backoff.ts';
import { sleep, type Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import { resourceOf, type Kind } from '#api/kind.ts';
import { ApiError, hasReason } from '#api/meta/api-error.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import type { Client, Ref, Selection, WatchEvent } from '#client/client.ts';
import { isLater } from '#client/resource-version.ts';
import { ObjectCache, type ObjectChange } from '#client/object-cache.ts';

export interface InformerOptions {
  readonly client: Pick<Client, 'list' | 'watch'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Ends the informer. */
  readonly signal: AbortSignal;
  /** Objects outside it are not seen; all where absent. */
  readonly selection?: Selection;
}

export type ChangeHandler<T> = (change: ObjectChange<T>) => void;

/** A server that is away is asked again soon, because it is usually only restarting; jitter keeps many from asking at once. */
const RETRY = { firstMs: 50, maxMs: 5_000, jitter: 0.5 };

/**
 * The objects of one kind, kept in memory by a list and a watch that is resumed whenever it ends. Reads are of the past by
 * as much as the watch is behind, and never go back. Objects are frozen.
 */
export class Informer<T extends KubeObject> implements AsyncDisposable {
  readonly kind: Kind<T>;
  readonly #options: InformerOptions;
  readonly #cache = new ObjectCache<T>();
  readonly #handlers = new Set<ChangeHandler<T>>();
  readonly #waiters = new Set<() => void>();
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #running: Promise<void>;
  readonly #synced = Promise.withResolvers<void>();
  #mustList = true;
  #resourceVersion: string | undefined;

  constructor(kind: Kind<T>, options: InformerOptions) {
    this.kind = kind;
    this.#options = options;
    // Whoever asks for synced() sees the failure; where nobody asks it is none.
    this.#synced.promise.catch(() => undefined);
    this.#signal = AbortSignal.any([options.signal, this.#stop.signal]);
    this.#running = this.#run(this.#signal);
  }

  /** True once the first list is in. */
  get isSynced(): boolean {
    return this.#resourceVersion !== undefined;
  }

  /** What the objects are true at; undefined before the first list. */
  get resourceVersion(): string | undefined {
    return this.#resourceVersion;
  }

  get(ref: Ref): T | undefined {
    return this.#cache.get(ref);
  }

  /** In no particular order. */
  list(namespace?: string): readonly T[] {
    return this.#cache.list(namespace);
  }

  /** Those with an owner reference to `uid`, in any namespace. */
  ownedBy(uid: string): readonly T[] {
    return this.#cache.ownedBy(uid);
  }

  /** Calls `handler` at once for every object there is, then for every change, after the reads above show it. */
  onChange(handler: ChangeHandler<T>): Disposable {
    for (const current of this.#cache.list()) handler({ current });
    this.#handlers.add(handler);
    return { [Symbol.dispose]: () => this.#handlers.delete(handler) };
  }

  /** Resolves with true once `isTrue`, looked at after every change, is; with false after `timeoutMs` or the end. */
  async until(isTrue: () => boolean, timeoutMs: number): Promise<boolean> {
    if (isTrue()) return true;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const look = (): void => {
      if (isTrue()) resolve(true);
    };
    const signal = this.#signal;
    const giveUp = (): void => resolve(false);
    using _timer = this.#options.clock.after(timeoutMs, giveUp);
    signal.addEventListener('abort', giveUp, { once: true });
    this.#waiters.add(look);
    if (signal.aborted) giveUp();
    try {
      return await promise;
    } finally {
      signal.removeEventListener('abort', giveUp);
      this.#waiters.delete(look);
    }
  }

  /** Resolves once the first list is in; rejects where the informer ends before. */
  synced(): Promise<void> {
    return this.#synced.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, random, log } = this.#options;
    for (let failures = 0; !signal.aborted;) {
      const before = this.#resourceVersion;
      try {
        if (this.#mustList) await this.#relist();
        await this.#follow(signal);
      } catch (error) {
        if (signal.aborted) break;
        this.#mustList ||= isLost(error);
        log.warn('informer: cannot follow, will try again', {
          kind: resourceOf(this.kind),
          error,
        });
      }
      failures = this.#resourceVersion === before ? failures + 1 : 1;
      await pause(clock, backoffMs(RETRY, failures, random), signal);
    }
    this.#synced.reject(new Error(`informer of ${resourceOf(this.kind)}: ended before its list`));
  }

  async #relist(): Promise<void> {
    const list = await this.#options.client.list(this.kind, this.#options.selection);
    const changes = this.#cache.replace(list.items);
    this.#resourceVersion = list.resourceVersion;
    this.#mustList = false;
    this.#synced.resolve();
    this.#tell(changes);
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const resourceVersion = this.#resourceVersion ?? '';
    const selection = { ...this.#options.selection, resourceVersion };
    for await (const event of this.#options.client.watch(this.kind, selection, signal)) {
      if (signal.aborted) return;
      this.#take(event);
    }
  }

  #take(event: WatchEvent<T>): void {
    if (event.type === 'BOOKMARK') {
      this.#advance(event.resourceVersion);
      this.#tell([]);
      return;
    }
    const { object } = event;
    const changes = event.type === 'DELETED' ? this.#cache.delete(object) : this.#cache.set(object);
    this.#advance(object.metadata.resourceVersion ?? '');
    this.#tell(changes);
  }

  #advance(to: string): void {
    if (isLater(to, this.#resourceVersion ?? '')) this.#resourceVersion = to;
  }

  #tell(changes: readonly ObjectChange<T>[]): void {
    for (const change of changes) {
      for (const handler of this.#handlers) handler(change);
    }
    for (const look of this.#waiters) look();
  }
}

/** Whether no watch can go on from the version we have: history begins after it, or, in a server that lost some, ends before. */
function isLost(error: unknown): boolean {
  if (hasReason(error, 'Expired') || hasReason(error, 'Gone')) return true;
  const causes = error instanceof ApiError ? (error.details.causes ?? []) : [];
  return causes.some(({ reason }) => reason === 'ResourceVersionTooLarge');
}

async function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(clock, delayMs, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
