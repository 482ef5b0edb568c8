import { backoffMs, type BackoffPolicy } from '#base/backoff.ts';
import type { Clock } from '#base/clock.ts';
import type { QueueMeter } from '#reconcile/queue-meter.ts';

/** What came of one piece of work; an empty result means done. */
export interface Result {
  /** Failed: again after a back-off that doubles with each failure in a row, and after `againAfterMs` at least. */
  readonly hasFailed?: boolean;
  /** Look again after this long, unless added before. */
  readonly againAfterMs?: number;
}

export interface WorkQueueOptions<K> {
  readonly clock: Clock;
  /** Ends the queue: nothing is started any more, and what waits is forgotten. */
  readonly signal: AbortSignal;
  /** How many keys at once. */
  readonly concurrency: number;
  readonly idOf: (key: K) => string;
  /** Never rejects. `attempt` is 1, and one more after each failure in a row. */
  readonly work: (key: K, attempt: number) => Promise<Result>;
  /** Its own, and of no other queue. */
  readonly meter?: QueueMeter;
}

export interface Retry {
  readonly id: string;
  /** How often in a row it failed. */
  readonly failures: number;
  /** On the queue's clock's monotonic time. */
  readonly dueMs: number;
  /** Added since it failed, so that the next attempt may well succeed. */
  readonly isAdded: boolean;
}

/** client-go's figures: a lost race is retried at once, a broken thing every quarter of an hour. */
const BACKOFF: BackoffPolicy = { firstMs: 5, maxMs: 1_000_000 };

/** Who failed this often in a row and is added again waits so long at least: it may be its own failing that adds it. */
const BROKEN_FAILURES = 8;
const BROKEN_MS = 1_000;

/** What a timer can hold; a longer wait looks earlier, which is harmless. */
const DELAY_MS_MAX = 2 ** 31 - 1;

type State =
  | { readonly at: 'waiting'; readonly sinceMs: number }
  /** `isDirty`: added meanwhile, so it will run once more. */
  | { readonly at: 'running'; readonly sinceMs: number; isDirty: boolean }
  /** `isAdded`: added meanwhile. */
  | {
      readonly at: 'delayed';
      readonly dueMs: number;
      readonly timer: Disposable;
      readonly isAdded: boolean;
    };

type Delayed = Extract<State, { at: 'delayed' }>;

interface Entry<K> {
  readonly key: K;
  state: State;
  failures: number;
}

/**
 * Works on keys: in the order they were added, one at a time per key, several keys at once. A key added while it waits is
 * worked on once; added while it is worked on, once more afterwards. One that fails again and again is worked on once a
 * second at most, however often it is added.
 */
export class WorkQueue<K> implements AsyncDisposable {
  readonly #options: WorkQueueOptions<K>;
  readonly #entries = new Map<string, Entry<K>>();
  /** Ids in state `waiting`, in order. */
  readonly #waiting = new Set<string>();
  #running = 0;
  #idle: PromiseWithResolvers<void> | undefined;

  constructor(options: WorkQueueOptions<K>) {
    this.#options = options;
    options.signal.addEventListener('abort', () => this.#forgetAll(), { once: true });
    const depth = (): number => this.#waiting.size;
    options.meter?.watch({ depth, runningSinceMs: () => this.#runningSinceMs() }, options.clock);
  }

  add(key: K): void {
    if (this.#options.signal.aborted) return;
    const id = this.#options.idOf(key);
    const sinceMs = this.#options.clock.monotonicMs();
    const known = this.#entries.get(id);
    const entry = known ?? { key, state: { at: 'waiting', sinceMs }, failures: 0 };
    this.#entries.set(id, entry);
    // One that waits already is not added again, and has waited since it came.
    if (known?.state.at === 'waiting') return;
    this.#options.meter?.adds.add();
    if (entry.state.at === 'running') {
      entry.state.isDirty = true;
      return;
    }
    if (entry.state.at === 'delayed') {
      if (entry.failures >= BROKEN_FAILURES) {
        this.#hasten(id, entry, entry.state);
        return;
      }
      entry.state.timer[Symbol.dispose]();
    }
    this.#wait(id, entry);
  }

  /** Nothing waits to be worked on and nothing is worked on; delayed keys do not count. */
  get isIdle(): boolean {
    return this.#running === 0 && this.#waiting.size === 0;
  }

  async idle(): Promise<void> {
    while (!this.isIdle) {
      this.#idle ??= Promise.withResolvers();
      await this.#idle.promise;
    }
  }

  /** Keys that failed and wait for their next attempt. */
  get retries(): readonly Retry[] {
    return [...this.#entries].flatMap(([id, { state, failures }]) =>
      state.at === 'delayed' && failures > 0
        ? [{ id, failures, dueMs: state.dueMs, isAdded: state.isAdded }]
        : [],
    );
  }

  /** Resolves when what was being worked on has ended. End the queue by its signal first. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#forgetAll();
    await this.idle();
  }

  *#runningSinceMs(): Iterable<number> {
    for (const { state } of this.#entries.values()) {
      if (state.at === 'running') yield state.sinceMs;
    }
  }

  #wait(id: string, entry: Entry<K>): void {
    entry.state = { at: 'waiting', sinceMs: this.#options.clock.monotonicMs() };
    this.#waiting.add(id);
    this.#start();
  }

  #start(): void {
    for (const id of this.#waiting) {
      if (this.#running >= this.#options.concurrency) return;
      this.#waiting.delete(id);
      const entry = this.#entries.get(id);
      if (entry) void this.#workOn(id, entry);
    }
  }

  async #workOn(id: string, entry: Entry<K>): Promise<void> {
    const { clock, meter } = this.#options;
    this.#running += 1;
    const sinceMs = clock.monotonicMs();
    if (entry.state.at === 'waiting') meter?.queued(sinceMs - entry.state.sinceMs);
    const state = { at: 'running' as const, sinceMs, isDirty: false };
    entry.state = state;
    const result = await this.#options.work(entry.key, entry.failures + 1);
    this.#running -= 1;
    meter?.processed(clock.monotonicMs() - sinceMs);
    if (result.hasFailed) meter?.retries.add();
    entry.failures = result.hasFailed ? entry.failures + 1 : 0;
    const delayMs = this.#delayOf(result, entry.failures);
    if (this.#options.signal.aborted) this.#entries.delete(id);
    else if (state.isDirty && entry.failures >= BROKEN_FAILURES)
      this.#delay(id, { entry, delayMs: BROKEN_MS, isAdded: true });
    else if (state.isDirty) this.#wait(id, entry);
    else if (delayMs === undefined) this.#entries.delete(id);
    else this.#delay(id, { entry, delayMs, isAdded: false });
    this.#start();
    if (this.isIdle) {
      this.#idle?.resolve();
      this.#idle = undefined;
    }
  }

  #delayOf({ hasFailed, againAfterMs }: Result, failures: number): number | undefined {
    if (!hasFailed) return againAfterMs;
    return Math.max(backoffMs(BACKOFF, failures), againAfterMs ?? 0);
  }

  #delay(
    id: string,
    { entry, delayMs, isAdded }: { entry: Entry<K>; delayMs: number; isAdded: boolean },
  ): void {
    const { clock } = this.#options;
    const boundMs = Math.min(delayMs, DELAY_MS_MAX);
    const timer = clock.after(boundMs, () => this.#wait(id, entry));
    entry.state = { at: 'delayed', dueMs: clock.monotonicMs() + boundMs, timer, isAdded };
  }

  #hasten(id: string, entry: Entry<K>, { dueMs, timer, isAdded }: Delayed): void {
    if (isAdded) return;
    timer[Symbol.dispose]();
    const leftMs = dueMs - this.#options.clock.monotonicMs();
    this.#delay(id, { entry, delayMs: Math.min(leftMs, BROKEN_MS), isAdded: true });
  }

  #forgetAll(): void {
    for (const [id, { state }] of this.#entries) {
      if (state.at === 'delayed') state.timer[Symbol.dispose]();
      if (state.at !== 'running') this.#entries.delete(id);
    }
    this.#waiting.clear();
  }
}
