import { sleep, type Clock } from '#base/clock.ts';

/** Longer is no time that a timer can be set to. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** How long somebody has to end. It can be shortened while it passes, never made longer. */
export class Grace {
  readonly #clock: Clock;
  #endMs: number;
  #shortened = Promise.withResolvers<void>();

  constructor(clock: Clock, ms: number) {
    this.#clock = clock;
    this.#endMs = clock.monotonicMs() + ms;
  }

  /** 0 when it is over. */
  get leftMs(): number {
    return Math.max(0, this.#endMs - this.#clock.monotonicMs());
  }

  /** Of no effect where less is left. */
  shorten(ms: number): void {
    if (ms >= this.leftMs) return;
    this.#endMs = this.#clock.monotonicMs() + ms;
    this.#shortened.resolve();
    this.#shortened = Promise.withResolvers();
  }

  /** Resolves when it is over, or when `signal` is aborted. */
  async passed(signal: AbortSignal): Promise<void> {
    while (this.leftMs > 0 && !signal.aborted) {
      const looked = new AbortController();
      const until = AbortSignal.any([signal, looked.signal]);
      const passing = sleep(this.#clock, Math.min(this.leftMs, TIMER_MAX_MS), until);
      await Promise.race([passing.catch(() => undefined), this.#shortened.promise]);
      looked.abort();
    }
  }
}
