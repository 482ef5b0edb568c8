import type { Clock } from '#base/clock.ts';
import type { Random } from '#base/random.ts';
import type { Backend, Visitor } from './backend.ts';
import { pickPod } from './pick-pod.ts';
import { Pod, type PodEndpoint } from './pod.ts';

/** Any Service that is not a revision's: its ready endpoints, without queue, limit or timeout (specification §5.4). */
export class PlainBackend implements Backend {
  readonly kind = 'plain';
  readonly deadlines = {};
  readonly #clock: Clock;
  readonly #random: Random;
  #pods: readonly Pod[] = [];

  constructor({ clock, random }: { clock: Clock; random: Random }) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Whether a request has anywhere to go. */
  get hasEndpoints(): boolean {
    return this.#pods.length > 0;
  }

  setEndpoints(endpoints: readonly PodEndpoint[]): void {
    const ready = endpoints.filter((endpoint) => endpoint.isReady && !endpoint.isTerminating);
    const before = this.#pods;
    this.#pods = ready.map((endpoint) => {
      const same = before.find(
        (pod) => pod.address === endpoint.address && pod.port === endpoint.port,
      );
      return same ?? new Pod(endpoint, this.#clock);
    });
    for (const pod of before) if (!this.#pods.includes(pod)) pod[Symbol.dispose]();
  }

  enter(visitor: Visitor): void {
    const pod = pickPod(this.#pods, {
      concurrency: 0,
      state: { next: 0 },
      random: this.#random,
    });
    if (!pod) {
      visitor.onRefused(503, 'the service has no ready endpoint');
      return;
    }
    pod.inFlight += 1;
    visitor.pod = pod;
    visitor.onPod(pod);
  }

  enterAgain(visitor: Visitor): void {
    this.leave(visitor);
    this.enter(visitor);
  }

  answered(): void {
    // Nobody waits here.
  }

  upgraded(): void {
    // Nobody waits for its end either.
  }

  leave(visitor: Visitor): void {
    if (visitor.pod) visitor.pod.inFlight -= 1;
    visitor.pod = undefined;
  }

  [Symbol.dispose](): void {
    this.setEndpoints([]);
  }
}
