import type {
  HorizontalPodAutoscalerBehavior,
  HPAScalingPolicy,
  HPAScalingRules,
} from '#api/generated/autoscaling-v2.ts';
import {
  since,
  type Moment,
  type ScalingHistory,
} from '#controllers/core/horizontal-pod-autoscaler/scaling-history.ts';

export interface Normalization {
  /** What the metrics ask for. */
  readonly desired: number;
  readonly current: number;
  readonly min: number;
  readonly max: number;
  readonly behavior: HorizontalPodAutoscalerBehavior | undefined;
  /** With `desired` as its newest recommendation. */
  readonly history: ScalingHistory;
  readonly nowMs: number;
}

/** Why a number is what it is, as a condition says it. */
export interface Ruling {
  readonly replicas: number;
  /** Whether the rule changed the number. */
  readonly isChanged: boolean;
  readonly reason: string;
  readonly message: string;
}

const DOWN_WINDOW_SECONDS = 300;

/**
 * The recommendation that lasted: going down, no lower than any of the window's; going up, no higher than any. An old one
 * never moves the size away from where the newest wants it.
 */
export function stabilize({ desired, current, behavior, history, nowMs }: Normalization): Ruling {
  const windowMs = (rules: HPAScalingRules | undefined, seconds: number): number =>
    (rules?.stabilizationWindowSeconds ?? seconds) * 1000;
  const within = (ms: number): readonly number[] =>
    since(history.recommendations, { nowMs, windowMs: ms });
  const lowest = Math.min(desired, ...within(windowMs(behavior?.scaleUp, 0)));
  const highest = Math.max(desired, ...within(windowMs(behavior?.scaleDown, DOWN_WINDOW_SECONDS)));
  const replicas = Math.min(Math.max(current, lowest), highest);
  if (replicas === desired) {
    const message = 'recommended size matches current size';
    return { replicas, isChanged: false, reason: 'ReadyForNewScale', message };
  }
  const [reason, low, high] =
    behavior && desired >= current
      ? ['ScaleUpStabilized', 'lower', 'lowest']
      : ['ScaleDownStabilized', 'higher', 'highest'];
  const message = `recent recommendations were ${low} than current one, applying the ${high} recent recommendation`;
  return { replicas, isChanged: true, reason: reason ?? '', message };
}

/** The number within the bounds of the spec and of how fast it may change. */
export function limit(given: Normalization): Ruling {
  const { desired, current, min, max, behavior } = given;
  const ceiling = behavior ? upLimit(given, behavior.scaleUp ?? {}) : Math.max(2 * current, 4);
  const floor = behavior ? downLimit(given, behavior.scaleDown ?? {}) : min;
  // With a behavior each direction has its own bound, without one both hold.
  if (desired > Math.min(max, ceiling) && (!behavior || desired > current)) {
    return max > ceiling
      ? changed(ceiling, 'ScaleUpLimit', 'increasing faster than the maximum scale rate')
      : changed(max, 'TooManyReplicas', 'more than the maximum replica count');
  }
  if (desired < Math.max(min, floor) && (!behavior || desired < current)) {
    return min < floor
      ? changed(floor, 'ScaleDownLimit', 'decreasing faster than the maximum scale rate')
      : changed(min, 'TooFewReplicas', 'less than the minimum replica count');
  }
  const message = 'the desired count is within the acceptable range';
  return { replicas: desired, isChanged: false, reason: 'DesiredWithinRange', message };
}

function changed(replicas: number, reason: string, text: string): Ruling {
  return { replicas, isChanged: true, reason, message: `the desired replica count is ${text}` };
}

/** Never below what there is: what was added before stays until its period is over. */
function upLimit(given: Normalization, rules: HPAScalingRules): number {
  const limits = (rules.policies ?? []).map((policy) => {
    const start = sizeBefore(given, policy);
    return policy.type === 'Pods'
      ? start + policy.value
      : Math.ceil((start * (100 + policy.value)) / 100);
  });
  return Math.max(given.current, chosen(limits, rules, given.current));
}

function downLimit(given: Normalization, rules: HPAScalingRules): number {
  const limits = (rules.policies ?? []).map((policy) => {
    const start = sizeBefore(given, policy);
    return policy.type === 'Pods'
      ? start - policy.value
      : Math.trunc((start * (100 - policy.value)) / 100);
  });
  const lowest = chosen(
    limits.map((replicas) => -replicas),
    rules,
    -given.current,
  );
  return Math.min(given.current, -lowest);
}

/** Of several policies the one that allows most, unless the least is asked for; none where the direction is closed. */
function chosen(
  limits: readonly number[],
  { selectPolicy }: HPAScalingRules,
  none: number,
): number {
  if (selectPolicy === 'Disabled' || limits.length === 0) return none;
  return selectPolicy === 'Min' ? Math.min(...limits) : Math.max(...limits);
}

/** The size when the policy's period began. */
function sizeBefore(
  { current, history, nowMs }: Normalization,
  { periodSeconds }: HPAScalingPolicy,
): number {
  const sum = (moments: readonly Moment[]): number =>
    since(moments, { nowMs, windowMs: periodSeconds * 1000 }).reduce((a, b) => a + b, 0);
  return current - sum(history.ups) + sum(history.downs);
}
