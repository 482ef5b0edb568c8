import type { Clock } from './clock.ts';

interface Timer {
  readonly atMs: number;
  /** Of timers that are due together the one that was set first runs first. */
  readonly order: number;
  readonly run: () => void;
}

/** A clock for tests: it stands still until `advance` moves it, then runs what is due, in order. */
export class FakeClock implements Clock {
  readonly #startMs: number;
  #nowMs: number;
  #jumpedMs = 0;
  #order = 0;
  /** Soonest first: a cluster that is tested sets and clears them by the thousand. */
  readonly #timers: Timer[] = [];

  constructor(start = '2026-01-01T00:00:00Z') {
    this.#startMs = Date.parse(start);
    this.#nowMs = this.#startMs;
  }

  now(): Date {
    return new Date(this.#nowMs + this.#jumpedMs);
  }

  monotonicMs(): number {
    return this.#nowMs - this.#startMs;
  }

  after(delayMs: number, run: () => void): Disposable {
    const timer = { atMs: this.#nowMs + delayMs, order: this.#order, run };
    this.#order += 1;
    this.#timers.splice(this.#placeOf(timer), 0, timer);
    return {
      [Symbol.dispose]: () => {
        const place = this.#placeOf(timer);
        if (this.#timers[place] === timer) this.#timers.splice(place, 1);
      },
    };
  }

  /** Moves time by `deltaMs`; timers that fall due run at their own time, including those they set. */
  advance(deltaMs: number): void {
    const untilMs = this.#nowMs + deltaMs;
    for (let due = this.#timers[0]; due && due.atMs <= untilMs; due = this.#timers[0]) {
      this.#timers.shift();
      this.#nowMs = Math.max(this.#nowMs, due.atMs);
      due.run();
    }
    this.#nowMs = untilMs;
  }

  /** The wall clock alone is set, forwards or backwards, as a person or a time server does it; no time goes by. */
  jump(deltaMs: number): void {
    this.#jumpedMs += deltaMs;
  }

  /** Where the timer is, or would be: a binary search. */
  #placeOf({ atMs, order }: Timer): number {
    let [low, high] = [0, this.#timers.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#timers[middle];
      const isBefore = other && (other.atMs < atMs || (other.atMs === atMs && other.order < order));
      if (isBefore) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
