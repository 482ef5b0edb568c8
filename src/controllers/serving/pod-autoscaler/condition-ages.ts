import type { Clock } from '#base/clock.ts';
import type { PodAutoscaler } from '#api/autoscaling-v1alpha1/pod-autoscaler.ts';
import { conditionOf } from '#api/meta/conditions.ts';
import type { ServerlessService } from '#api/networking-v1alpha1/serverless-service.ts';
import { keyOf, type Key } from '#reconcile/controller.ts';

interface Seen {
  readonly transition: string;
  /** On the monotonic clock. */
  readonly sinceMs: number;
}

/**
 * For how long conditions of revisions have been as they are. Their time stamps are believed when they are first seen; from
 * then on a clock counts that never jumps.
 */
export class ConditionAges {
  readonly #clock: Clock;
  /** By revision, whose name its objects share, and by condition. */
  readonly #seen = new Map<string, Map<string, Seen>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** 0 where it has none. */
  ageMs(object: PodAutoscaler | ServerlessService, type: string): number {
    const transition = conditionOf(object, type)?.lastTransitionTime;
    if (transition === undefined) return 0;
    const nowMs = this.#clock.monotonicMs();
    const key = idOf(keyOf(object));
    const seen = this.#seen.get(key) ?? new Map<string, Seen>();
    this.#seen.set(key, seen);
    const known = seen.get(type);
    if (known?.transition === transition) return nowMs - known.sinceMs;
    const ageMs = Math.max(0, this.#clock.now().getTime() - Date.parse(transition));
    seen.set(type, { transition, sinceMs: nowMs - ageMs });
    return ageMs;
  }

  forget(key: Key): void {
    this.#seen.delete(idOf(key));
  }
}

function idOf({ namespace, name }: Key): string {
  return `${namespace}/${name}`;
}
