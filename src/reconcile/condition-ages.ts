import type { Clock } from '#base/clock.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { keyOf, type Key } from '#reconcile/controller.ts';

interface Seen {
  readonly stamp: string;
  /** On the monotonic clock. */
  readonly sinceMs: number;
}

type Conditioned = KubeObject & {
  readonly status?: {
    readonly conditions?: readonly {
      readonly type: string;
      readonly lastTransitionTime?: string;
      readonly lastUpdateTime?: string;
    }[];
  };
};

/**
 * For how long conditions have been as they are. Their time stamps are believed when they are first seen, after a restart
 * too, which knows nothing else; from then on a clock counts that never jumps. A stamp that is ahead counts as of now.
 */
export class ConditionAges {
  /** By name, which objects of several kinds may share whose conditions are of different types, and by condition. */
  readonly #seen = new Map<string, Map<string, Seen>>();

  /** Since its last update where it tells of updates, else since its last transition; 0 where it has neither. */
  ageMs(object: Conditioned, { type, clock }: { type: string; clock: Clock }): number {
    const condition = object.status?.conditions?.find((one) => one.type === type);
    const stamp = condition?.lastUpdateTime ?? condition?.lastTransitionTime;
    if (stamp === undefined) return 0;
    const nowMs = clock.monotonicMs();
    const key = idOf(keyOf(object));
    const seen = this.#seen.get(key) ?? new Map<string, Seen>();
    this.#seen.set(key, seen);
    const known = seen.get(type);
    if (known?.stamp === stamp) return nowMs - known.sinceMs;
    const ageMs = Math.max(0, clock.now().getTime() - Date.parse(stamp));
    seen.set(type, { stamp, sinceMs: nowMs - ageMs });
    return ageMs;
  }

  forget(key: Key): void {
    this.#seen.delete(idOf(key));
  }
}

function idOf({ namespace, name }: Key): string {
  return `${namespace}/${name}`;
}
