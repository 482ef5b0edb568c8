/** How much of the bodies of waiting requests may be held, each and in all; the rest stays in the sockets. */
export class ReadAhead {
  readonly bytesMaxEach: number;
  readonly #bytesMax: number;
  #bytes = 0;

  constructor({ bytesMaxEach, bytesMax }: { bytesMaxEach: number; bytesMax: number }) {
    this.bytesMaxEach = bytesMaxEach;
    this.#bytesMax = bytesMax;
  }

  /** False where that would be too much; nothing is then taken. */
  take(bytes: number): boolean {
    if (this.#bytes + bytes > this.#bytesMax) return false;
    this.#bytes += bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.#bytes -= bytes;
  }
}
