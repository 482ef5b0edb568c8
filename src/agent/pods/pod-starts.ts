import type { Clock } from '#base/clock.ts';
import type { PodRecord } from '#agent/pods/pod-record.ts';

/** When a pod came to run, in the clock's monotonic milliseconds. */
export interface PodStart {
  /** The agent began to make it, or to start it where it was prepared before. */
  readonly begunMs: number;
  /** The first of its programs ran. */
  readonly startedMs?: number;
}

type Name = Pick<PodRecord, 'namespace' | 'name'>;

/** Whoever asks for times asks soon. */
const KEPT_MAX = 256;

/** When the newest pods of the machine were begun and started, those included that are gone. */
export class PodStarts {
  readonly #clock: Clock;
  readonly #starts = new Map<string, PodStart>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  of(pod: Name): PodStart | undefined {
    return this.#starts.get(keyOf(pod));
  }

  /** Whatever is said of a pod again changes nothing: containers that are made anew are no start of a pod. */
  begin(pod: Name): void {
    const key = keyOf(pod);
    if (this.#starts.has(key)) return;
    this.#starts.set(key, { begunMs: this.#clock.monotonicMs() });
    const [oldest] = this.#starts.keys();
    if (this.#starts.size > KEPT_MAX && oldest !== undefined) this.#starts.delete(oldest);
  }

  started(pod: Name): void {
    const start = this.#starts.get(keyOf(pod));
    if (!start || start.startedMs !== undefined) return;
    this.#starts.set(keyOf(pod), { ...start, startedMs: this.#clock.monotonicMs() });
  }
}

function keyOf({ namespace, name }: Name): string {
  return `${namespace}/${name}`;
}
