import type { Clock } from '#base/clock.ts';

/**
 * One duration for many waits. All last equally long, so the order they were set in is the order they end in, and a
 * single timer serves all: setting and clearing one costs a map entry, which matters where each request sets some.
 */
export class Deadlines<T> implements Disposable {
  readonly #clock: Clock;
  readonly #durationMs: number;
  readonly #onExpired: (item: T) => void;
  /** By when each item ends, soonest first. */
  readonly #ends = new Map<T, number>();
  #timer: Disposable | undefined;

  constructor(clock: Clock, durationMs: number, onExpired: (item: T) => void) {
    this.#clock = clock;
    this.#durationMs = durationMs;
    this.#onExpired = onExpired;
  }

  get size(): number {
    return this.#ends.size;
  }

  /** Whether the item waits. */
  has(item: T): boolean {
    return this.#ends.has(item);
  }

  /** Starts the item's wait, anew where it has begun. */
  set(item: T): void {
    this.#ends.delete(item);
    this.#ends.set(item, this.#clock.monotonicMs() + this.#durationMs);
    this.#timer ??= this.#clock.after(this.#durationMs, () => this.#expire());
  }

  clear(item: T): void {
    this.#ends.delete(item);
  }

  /** Forgets all of them. */
  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    this.#ends.clear();
  }

  /** The timer that has fired stays in place meanwhile: what is set as others end must not begin a second one. */
  #expire(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [item, endMs] of this.#ends) {
      // A timer may fire a fraction early; what is due within it is not worth another.
      if (endMs - nowMs >= 1) {
        this.#timer = this.#clock.after(endMs - nowMs, () => this.#expire());
        return;
      }
      this.#ends.delete(item);
      this.#onExpired(item);
    }
    this.#timer = undefined;
  }
}
