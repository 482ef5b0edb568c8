import type { HorizontalPodAutoscalerCondition as Condition } from '#api/generated/autoscaling-v2.ts';
import { timestamp } from '#api/meta/timestamp.ts';

type ConditionType = 'AbleToScale' | 'ScalingActive' | 'ScalingLimited';

/** What a pass says of an autoscaler; what it says nothing of stays as it was. */
export class AutoscalerConditions {
  readonly #previous: ReadonlyMap<string, Condition>;
  readonly #current: Map<string, Condition>;
  readonly #now: string;

  constructor(previous: readonly Condition[] = [], now: Date) {
    this.#previous = new Map(previous.map((condition) => [condition.type, condition]));
    this.#current = new Map(this.#previous);
    this.#now = timestamp(now);
  }

  set(
    type: ConditionType,
    { is, reason, message }: { is: boolean; reason: string; message: string },
  ): void {
    const status = is ? 'True' : 'False';
    const known = this.#previous.get(type);
    const lastTransitionTime =
      known?.status === status ? (known.lastTransitionTime ?? this.#now) : this.#now;
    this.#current.set(type, { type, status, lastTransitionTime, reason, message });
  }

  list(): Condition[] {
    return [...this.#current.values()];
  }
}
