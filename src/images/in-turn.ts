/** Tasks of one key run one after another, in the order they were asked for; those of other keys do not wait. */
export class InTurn {
  readonly #last = new Map<string, Promise<void>>();

  async run<T>(key: string, task: () => Promise<T>): Promise<T> {
    const previous = this.#last.get(key);
    const running = previous ? previous.then(task) : task();
    // The next one waits for this one, whatever became of it.
    const settled = running.then(
      () => undefined,
      () => undefined,
    );
    this.#last.set(key, settled);
    try {
      return await running;
    } finally {
      if (this.#last.get(key) === settled) this.#last.delete(key);
    }
  }
}
