import type { Random } from './random.ts';

export interface BackoffPolicy {
  readonly firstMs: number;
  readonly maxMs: number;
  /** Growth per attempt; 2 unless told. */
  readonly factor?: number;
  /** Share of the delay that chance may add, 0..1; 0 unless told. */
  readonly jitter?: number;
}

/** Milliseconds to wait before attempt `attempt` (the first retry is 1). */
export function backoffMs(policy: BackoffPolicy, attempt: number, random?: Random): number {
  const grown = policy.firstMs * (policy.factor ?? 2) ** Math.max(0, attempt - 1);
  const delay = Math.min(policy.maxMs, grown);
  return delay * (1 + (policy.jitter ?? 0) * (random?.fraction() ?? 0));
}
