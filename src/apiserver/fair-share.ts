import type { Clock } from '#base/clock.ts';
import { ApiError } from '#api/meta/api-error.ts';

export interface FairShareOptions {
  /** How many may be inside at once. One client alone gets half of them, so that there is room for another. */
  readonly seats: number;
  /** How many requests of one client may wait for a seat, and of all clients together; 0 for none. */
  readonly waitingMax: number;
  readonly waitingTotalMax: number;
  readonly waitMs: number;
  readonly clock: Clock;
}

interface Client {
  held: number;
  readonly waiting: Waiter[];
}

type Waiter = PromiseWithResolvers<Disposable>;

/**
 * Seats that clients share. A seat that gets free goes to whoever of those who wait holds the fewest, so a client that asks
 * for little waits for one seat and not for the queue of a noisy one.
 */
export class FairShare {
  readonly #options: FairShareOptions;
  readonly #share: number;
  readonly #clients = new Map<string, Client>();
  #held = 0;
  #waiting = 0;

  constructor(options: FairShareOptions) {
    this.#options = options;
    this.#share = Math.max(1, Math.ceil(options.seats / 2));
  }

  /** Resolves with a seat, to be disposed. Throws TooManyRequests where too many wait, or none gets free in time. */
  async take(name: string, signal: AbortSignal): Promise<Disposable> {
    const client = this.#clients.get(name) ?? { held: 0, waiting: [] };
    if (client.waiting.length === 0 && this.#hasSeatFor(client)) return this.#seat(name, client);
    this.#makeRoomToWait(name, client);
    const waiter = Promise.withResolvers<Disposable>();
    this.#clients.set(name, client);
    client.waiting.push(waiter);
    this.#waiting += 1;
    const leave = (): void => this.#refuse(name, client, waiter);
    using _limit = this.#options.clock.after(this.#options.waitMs, leave);
    signal.addEventListener('abort', leave, { once: true });
    try {
      return await waiter.promise;
    } finally {
      signal.removeEventListener('abort', leave);
    }
  }

  #hasSeatFor(client: Client): boolean {
    return this.#held < this.#options.seats && client.held < this.#share;
  }

  #seat(name: string, client: Client): Disposable {
    client.held += 1;
    this.#held += 1;
    // To the end: of clients that hold the same, the one that was served longest ago is next.
    this.#clients.delete(name);
    this.#clients.set(name, client);
    let isHeld = true;
    return {
      [Symbol.dispose]: () => {
        if (!isHeld) return;
        isHeld = false;
        client.held -= 1;
        this.#held -= 1;
        this.#forgetIdle(name, client);
        this.#seatNext();
      },
    };
  }

  #seatNext(): void {
    for (;;) {
      let next: [string, Client] | undefined;
      if (this.#waiting === 0) return;
      for (const [name, client] of this.#clients) {
        if (client.waiting.length === 0 || !this.#hasSeatFor(client)) continue;
        if (!next || client.held < next[1].held) next = [name, client];
      }
      const waiter = next?.[1].waiting.shift();
      if (!next || !waiter) return;
      this.#waiting -= 1;
      waiter.resolve(this.#seat(...next));
    }
  }

  /** Where all places to wait are taken, the newest of the client that has most of them gives way to one with fewer. */
  #makeRoomToWait(name: string, client: Client): void {
    const { waitingMax, waitingTotalMax } = this.#options;
    if (client.waiting.length >= waitingMax) throw this.#tooMany(name, client);
    if (this.#waiting < waitingTotalMax) return;
    const [longest] = [...this.#clients].toSorted(
      ([, a], [, b]) => b.waiting.length - a.waiting.length,
    );
    const last = longest?.[1].waiting.at(-1);
    if (!longest || !last || longest[1].waiting.length <= client.waiting.length + 1) {
      throw this.#tooMany(name, client);
    }
    this.#refuse(...longest, last);
  }

  #refuse(name: string, client: Client, waiter: Waiter): void {
    const at = client.waiting.indexOf(waiter);
    if (at < 0) return;
    waiter.reject(this.#tooMany(name, client));
    client.waiting.splice(at, 1);
    this.#waiting -= 1;
    this.#forgetIdle(name, client);
  }

  #forgetIdle(name: string, client: Client): void {
    if (client.held === 0 && client.waiting.length === 0) this.#clients.delete(name);
  }

  #tooMany(name: string, { held, waiting }: Client): ApiError {
    const found = `${held} requests of "${name}" are being answered and ${waiting.length} wait`;
    const message = `Too many requests, please try again later: ${found}, ${this.#held} of ${this.#options.seats} in all`;
    return new ApiError('TooManyRequests', message, { retryAfterSeconds: 1 });
  }
}
