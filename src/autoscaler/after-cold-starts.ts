import type { Clock } from '#base/clock.ts';

/** Longest that anything is kept back. */
const KEPT_BACK_MS = 250;

/**
 * Keeps back what can wait while somebody waits for programs to start: until all of those have answered, or for a quarter
 * of a second. What starts and what writes of it want the same processors.
 */
export class AfterColdStarts implements Disposable {
  readonly #clock: Clock;
  readonly #tasks = new Map<string, () => void>();
  readonly #unanswered = new Set<string>();
  #late: Disposable | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Of one key the newest task is done, once. */
  add(key: string, task: () => void): void {
    this.#tasks.set(key, task);
    this.#unanswered.add(key);
    this.#late ??= this.#clock.after(KEPT_BACK_MS, () => this.#doAll());
  }

  answered(key: string): void {
    if (this.#unanswered.delete(key) && this.#unanswered.size === 0) this.#doAll();
  }

  /** What is kept back is not done any more. */
  [Symbol.dispose](): void {
    this.#late?.[Symbol.dispose]();
    this.#tasks.clear();
    this.#unanswered.clear();
  }

  #doAll(): void {
    const tasks = [...this.#tasks.values()];
    this[Symbol.dispose]();
    this.#late = undefined;
    for (const task of tasks) task();
  }
}
