/** What is left of a second's weight when it leaves the window; and what the newest has at least. */
const OLDEST_WEIGHT = 0.0001;
const SHARE_MIN = 0.2;

/**
 * The load of one revision over the last seconds, in buckets of one second (serving specification §4.2). Seconds between
 * two writes without one count as 0; the silence since the last write shortens the divisor and does not dilute; after a
 * silence as long as the window the past is forgotten.
 */
export class LoadWindow {
  /** The load of second s at s modulo the length. */
  readonly #buckets: Float64Array;
  #firstSecond: number | undefined;
  #lastSecond = 0;

  constructor(windowMs: number) {
    this.#buckets = new Float64Array(Math.max(1, Math.ceil(windowMs / 1_000)));
  }

  /** The same past, as far back as both windows go. */
  resized(windowMs: number): LoadWindow {
    const other = new LoadWindow(windowMs);
    if (this.#firstSecond === undefined) return other;
    const kept = Math.min(this.#buckets.length, other.#buckets.length);
    const first = Math.max(this.#firstSecond, this.#lastSecond - kept + 1);
    for (let second = first; second <= this.#lastSecond; second += 1) {
      other.#put(second, this.#at(second));
    }
    other.#firstSecond = first;
    other.#lastSecond = this.#lastSecond;
    return other;
  }

  /** Adds to the second that `atMs` is in; several gateways add up. What comes too late for the window is dropped. */
  record(atMs: number, load: number): void {
    const second = Math.floor(atMs / 1_000);
    if (this.#firstSecond !== undefined && second < this.#lastSecond) {
      if (this.#lastSecond - second >= this.#buckets.length) return;
      this.#firstSecond = Math.min(this.#firstSecond, second);
      this.#put(second, this.#at(second) + load);
      return;
    }
    if (this.#firstSecond === undefined || second - this.#lastSecond >= this.#buckets.length) {
      this.#buckets.fill(0);
      this.#firstSecond = second;
    } else {
      for (let gap = this.#lastSecond + 1; gap <= second; gap += 1) this.#put(gap, 0);
    }
    this.#lastSecond = second;
    this.#put(second, this.#at(second) + load);
  }

  /**
   * Each second counts for a fixed share less than the one after it, so that what is a window old counts for next to
   * nothing; silence dilutes here. Undefined where nothing was written within the window.
   */
  weightedAverage(nowMs: number): number | undefined {
    if (this.#firstSecond === undefined) return undefined;
    const length = this.#buckets.length;
    const silence = Math.floor(nowMs / 1_000) - this.#lastSecond;
    if (silence >= length) return undefined;
    const share = Math.max(1 - OLDEST_WEIGHT ** (1 / length), SHARE_MIN);
    let weight = share * (1 - share) ** silence;
    let sum = 0;
    const oldest = Math.max(this.#firstSecond, this.#lastSecond - (length - silence) + 1);
    for (let second = this.#lastSecond; second >= oldest; second -= 1) {
      sum += this.#at(second) * weight;
      weight *= 1 - share;
    }
    return sum;
  }

  /** Undefined where nothing was written within the window. */
  average(nowMs: number): number | undefined {
    if (this.#firstSecond === undefined) return undefined;
    const length = this.#buckets.length;
    const now = Math.floor(nowMs / 1_000);
    const silence = now - this.#lastSecond;
    if (silence >= length) return undefined;
    let sum = 0;
    for (let second = now - length + 1; second <= this.#lastSecond; second += 1) {
      if (second >= this.#firstSecond) sum += this.#at(second);
    }
    const seconds = Math.min(this.#lastSecond - this.#firstSecond + 1, length - silence);
    return Math.round((sum / seconds) * 1e6) / 1e6;
  }

  #at(second: number): number {
    return this.#buckets[second % this.#buckets.length] ?? 0;
  }

  #put(second: number, load: number): void {
    this.#buckets[second % this.#buckets.length] = load;
  }
}
