const CHUNK_LENGTH_MAX = 512;

/**
 * A set of strings in the order of UTF-16 code units. Kept as sorted chunks of bounded length, so that adding a key moves
 * at most one chunk's worth of others, and counting a range adds up chunk lengths instead of visiting keys.
 */
export class SortedKeys {
  readonly #chunks: string[][] = [];

  /** `key` must not be present. */
  add(key: string): void {
    const at = Math.max(0, partition(this.#chunks, (chunk) => (chunk[0] ?? '') <= key) - 1);
    const chunk = this.#chunks[at];
    if (!chunk) {
      this.#chunks.push([key]);
      return;
    }
    chunk.splice(
      partition(chunk, (other) => other < key),
      0,
      key,
    );
    if (chunk.length > CHUNK_LENGTH_MAX) {
      this.#chunks.splice(at + 1, 0, chunk.splice(CHUNK_LENGTH_MAX / 2));
    }
  }

  /** `key` must be present. */
  remove(key: string): void {
    const at = partition(this.#chunks, (chunk) => (chunk[0] ?? '') <= key) - 1;
    const chunk = this.#chunks[at];
    if (!chunk) return;
    chunk.splice(
      partition(chunk, (other) => other < key),
      1,
    );
    if (chunk.length === 0) this.#chunks.splice(at, 1);
  }

  /** How many keys come before the first for which `isBefore` is false; it must be true for a beginning of the order. */
  rank(isBefore: (key: string) => boolean): number {
    const at = partition(this.#chunks, (chunk) => isBefore(chunk[0] ?? '')) - 1;
    if (at < 0) return 0;
    const whole = this.#chunks.slice(0, at).reduce((sum, chunk) => sum + chunk.length, 0);
    return whole + partition(this.#chunks[at] ?? [], isBefore);
  }

  /** The keys from rank `start` up to and without rank `end`. */
  slice(start: number, end: number): string[] {
    const keys: string[] = [];
    let first = 0;
    for (const chunk of this.#chunks) {
      if (first >= end) break;
      if (first + chunk.length > start) {
        keys.push(...chunk.slice(Math.max(0, start - first), end - first));
      }
      first += chunk.length;
    }
    return keys;
  }
}

/** How many items come before the first for which `isBefore` is false. */
function partition<T>(items: readonly T[], isBefore: (item: T) => boolean): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(items[middle] as T)) low = middle + 1;
    else high = middle;
  }
  return low;
}
