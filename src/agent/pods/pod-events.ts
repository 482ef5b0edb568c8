import type { Pod } from '#api/core-v1/pod.ts';
import { recordEvent, type EventText } from '#reconcile/record-event.ts';
import type { AgentParts } from '#agent/agent-parts.ts';

export interface PodEvent extends Pick<EventText, 'type' | 'reason' | 'message'> {
  /** Where in the pod's object it is about: `spec.containers{main}`. */
  readonly fieldPath?: string;
}

/** Kubernetes' figures: so many at once about one object, then one more in five minutes. */
const BURST = 25;
const REFILL_MS = 300_000;

/** Tells of one pod what `kubectl describe` shows, in order and in the background; what would be too much is not told. */
export class PodEvents {
  readonly #parts: Pick<AgentParts, 'client' | 'clock' | 'log' | 'nodeName'>;
  readonly #pod: Pod;
  #tokens = BURST;
  #countedMs: number;
  #written: Promise<void> = Promise.resolve();

  constructor(parts: Pick<AgentParts, 'client' | 'clock' | 'log' | 'nodeName'>, pod: Pod) {
    this.#parts = parts;
    this.#pod = pod;
    this.#countedMs = parts.clock.monotonicMs();
  }

  tell(event: PodEvent): void {
    if (!this.#isAllowed()) return;
    const text = { ...event, component: 'kubelet', host: this.#parts.nodeName };
    this.#written = this.#written
      .then(() => recordEvent(this.#parts, this.#pod, text))
      .catch((error: unknown) => {
        this.#parts.log.warn('agent: an event could not be written', {
          pod: this.#pod.metadata.name,
          error,
        });
      });
  }

  /** Resolves when everything told so far is written, or cannot be. */
  written(): Promise<void> {
    return this.#written;
  }

  #isAllowed(): boolean {
    const nowMs = this.#parts.clock.monotonicMs();
    const refilled = this.#tokens + (nowMs - this.#countedMs) / REFILL_MS;
    this.#countedMs = nowMs;
    this.#tokens = Math.min(BURST, refilled);
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
