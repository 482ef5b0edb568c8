import type { Clock } from '#base/clock.ts';

/** How many requests a revision has in the gateway, averaged over time and exact. */
export class LoadMeter {
  readonly #clock: Clock;
  #count = 0;
  #requests = 0;
  /** Requests times milliseconds since the last reading, up to `#changedMs`. */
  #area = 0;
  #changedMs: number;
  #readMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#changedMs = clock.monotonicMs();
    this.#readMs = this.#changedMs;
  }

  /** Requests now. */
  get count(): number {
    return this.#count;
  }

  begin(): void {
    this.#advance();
    this.#count += 1;
    this.#requests += 1;
  }

  end(): void {
    this.#advance();
    this.#count -= 1;
  }

  /** The average and the number of requests begun since the last reading; undefined where there was none in that time. */
  read(): { concurrency: number; requests: number } | undefined {
    const nowMs = this.#advance();
    const elapsedMs = nowMs - this.#readMs;
    const area = this.#area;
    const requests = this.#requests;
    this.#readMs = nowMs;
    this.#area = 0;
    this.#requests = 0;
    if (elapsedMs <= 0 || (area === 0 && requests === 0)) return undefined;
    return { concurrency: area / elapsedMs, requests };
  }

  #advance(): number {
    const nowMs = this.#clock.monotonicMs();
    this.#area += this.#count * (nowMs - this.#changedMs);
    this.#changedMs = nowMs;
    return nowMs;
  }
}
