/** How much of something each of many holds, so that one of them cannot hold it all. Remembers only who holds some. */
export class Shares {
  readonly #shareMax: number;
  readonly #held = new Map<string, number>();

  constructor(shareMax: number) {
    this.#shareMax = shareMax;
  }

  /** One more for `name`, given back when disposed; undefined where it has its share already. */
  take(name: string): Disposable | undefined {
    const held = this.#held.get(name) ?? 0;
    if (held >= this.#shareMax) return undefined;
    this.#held.set(name, held + 1);
    let isHeld = true;
    return {
      [Symbol.dispose]: () => {
        if (!isHeld) return;
        isHeld = false;
        const left = (this.#held.get(name) ?? 1) - 1;
        if (left === 0) this.#held.delete(name);
        else this.#held.set(name, left);
      },
    };
  }
}
