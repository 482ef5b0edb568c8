import type { Clock } from './clock.ts';

/** A clock for tests: it stands still until `advance` moves it, then runs what is due, in order. */
export class FakeClock implements Clock {
  #nowMs: number;
  readonly #startMs: number;
  #timers: { atMs: number; run: () => void }[] = [];

  constructor(start = '2026-01-01T00:00:00Z') {
    this.#startMs = Date.parse(start);
    this.#nowMs = this.#startMs;
  }

  now(): Date {
    return new Date(this.#nowMs);
  }

  monotonicMs(): number {
    return this.#nowMs - this.#startMs;
  }

  after(delayMs: number, run: () => void): Disposable {
    const timer = { atMs: this.#nowMs + delayMs, run };
    this.#timers.push(timer);
    return {
      [Symbol.dispose]: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  /** Moves time by `deltaMs`; timers that fall due run at their own time, including those they set. */
  advance(deltaMs: number): void {
    const untilMs = this.#nowMs + deltaMs;
    for (;;) {
      const due = this.#timers
        .filter((timer) => timer.atMs <= untilMs)
        .toSorted((a, b) => a.atMs - b.atMs)[0];
      if (!due) break;
      this.#timers = this.#timers.filter((other) => other !== due);
      this.#nowMs = Math.max(this.#nowMs, due.atMs);
      due.run();
    }
    this.#nowMs = untilMs;
  }
}
