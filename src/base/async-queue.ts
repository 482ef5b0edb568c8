/** What unread values may weigh together. */
export interface QueueWeight<T> {
  readonly max: number;
  of(value: T): number;
}

/**
 * Values pushed from one side, iterated on the other. Holds at most `limit` unread values, and where they have a weight no
 * more than that of them, one value aside; the push that would exceed it fails the iteration with `overflow()` after what
 * was queued, so a slow reader costs bounded memory.
 */
export class AsyncQueue<T> implements AsyncIterable<T> {
  readonly #limit: number;
  readonly #overflow: () => Error;
  readonly #weight: QueueWeight<T> | undefined;
  #held = 0;
  #values: T[] = [];
  #head = 0;
  #ended = false;
  #error: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(limit: number, overflow: () => Error, weight?: QueueWeight<T>) {
    this.#limit = limit;
    this.#overflow = overflow;
    this.#weight = weight;
  }

  get size(): number {
    return this.#values.length - this.#head;
  }

  /** False once the queue has ended or overflowed: the reader will see no more. */
  push(value: T): boolean {
    if (this.#ended) return false;
    if (this.size >= this.#limit || (this.#weight && this.#held > this.#weight.max)) {
      this.end(this.#overflow());
      return false;
    }
    this.#values.push(value);
    if (this.#weight) this.#held += this.#weight.of(value);
    this.#wake?.();
    return true;
  }

  /** Ends the iteration after what is queued, with `error` if there is one. */
  end(error?: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    try {
      for (;;) {
        while (this.#head < this.#values.length) {
          const value = this.#values[this.#head] as T;
          this.#head += 1;
          if (this.#weight) this.#held -= this.#weight.of(value);
          if (this.#head === this.#values.length) {
            this.#values = [];
            this.#head = 0;
          }
          yield value;
        }
        if (this.#ended) break;
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#wake = resolve;
        await promise;
        this.#wake = undefined;
      }
      if (this.#error) throw this.#error;
    } finally {
      this.#ended = true;
      this.#values = [];
      this.#head = 0;
    }
  }
}
