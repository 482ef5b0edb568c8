/** What is remembered of one autoscaler: what was recommended and what was done, and when; oldest first. */
export interface ScalingHistory {
  readonly recommendations: readonly Moment[];
  readonly ups: readonly Moment[];
  /** Of pods taken away, as numbers above zero. */
  readonly downs: readonly Moment[];
}

export interface Moment {
  readonly atMs: number;
  readonly replicas: number;
}

/** As long as anything of it may matter to anybody: the largest window a behavior can have. */
const KEPT_MS = 3_600_000;

/** The first thing known of a target is the size it has: nothing is taken away before a whole window has been seen. */
export function beginHistory(atMs: number, replicas: number): ScalingHistory {
  return { recommendations: [{ atMs, replicas }], ups: [], downs: [] };
}

export function withRecommendation(history: ScalingHistory, moment: Moment): ScalingHistory {
  return { ...history, recommendations: [...kept(history.recommendations, moment), moment] };
}

/** From one size to another. */
export function withChange(
  history: ScalingHistory,
  { atMs, from, to }: { readonly atMs: number; readonly from: number; readonly to: number },
): ScalingHistory {
  const moment = { atMs, replicas: Math.abs(to - from) };
  return to > from
    ? { ...history, ups: [...kept(history.ups, moment), moment] }
    : { ...history, downs: [...kept(history.downs, moment), moment] };
}

/** Those of the last `windowMs`. */
export function since(
  moments: readonly Moment[],
  { nowMs, windowMs }: { readonly nowMs: number; readonly windowMs: number },
): readonly number[] {
  return moments.filter(({ atMs }) => atMs > nowMs - windowMs).map(({ replicas }) => replicas);
}

function kept(moments: readonly Moment[], { atMs }: Moment): readonly Moment[] {
  return moments.filter((moment) => moment.atMs > atMs - KEPT_MS);
}
