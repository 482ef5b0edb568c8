import type { Random } from '#base/random.ts';
import { formatIpv4, parseCidr, parseIpv4 } from '#agent/network/ipv4.ts';

/**
 * Which addresses of a range are free. Kept in memory only: at start the adopted pods say which are taken. An address
 * that was given back is not handed out again before all others were, so that a late packet meets nobody; after a start
 * the first one is of chance, for the same reason.
 */
export class AddressPool {
  readonly #first: number;
  readonly #size: number;
  readonly #taken = new Set<number>();
  #next: number;

  /** Hands out from `range` without its first two addresses (the block and the pod-facing one) and its last. */
  constructor(range: string, random: Random) {
    const cidr = parseCidr(range);
    if (!cidr || cidr.bits > 29)
      throw new Error(`Cannot use "${range}" for pods: wanted a /29 or larger`);
    this.#first = cidr.first + 2;
    this.#size = 2 ** (32 - cidr.bits) - 3;
    this.#next = Math.floor(random.fraction() * this.#size);
  }

  take(): string {
    for (let step = 0; step < this.#size; step += 1) {
      const offset = (this.#next + step) % this.#size;
      if (this.#taken.has(offset)) continue;
      this.#taken.add(offset);
      this.#next = offset + 1;
      return formatIpv4(this.#first + offset);
    }
    throw new Error(`Cannot give the pod an address: all ${this.#size} are taken`);
  }

  /** Marks an address as taken that somebody brought along. */
  reserve(address: string): void {
    this.#taken.add((parseIpv4(address) ?? 0) - this.#first);
  }

  release(address: string): void {
    this.#taken.delete((parseIpv4(address) ?? 0) - this.#first);
  }
}
