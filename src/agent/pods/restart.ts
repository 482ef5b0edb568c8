import { backoffMs } from '#base/backoff.ts';

/** Kubernetes' figures: at once the first time, then 10 s doubled to 5 minutes; forgotten after a run of 10 minutes. */
const RESTART = { firstMs: 10_000, maxMs: 300_000 };
export const FORGIVEN_MS = 600_000;

export interface RestartQuestion {
  readonly policy: string;
  readonly isInit: boolean;
  readonly exitCode: number;
}

export function isRestarted({ policy, isInit, exitCode }: RestartQuestion): boolean {
  if (exitCode === 0) return !isInit && policy === 'Always';
  return policy !== 'Never';
}

/** Milliseconds to wait after the `crashes`th end in a row, counted from 1. */
export function restartDelayMs(crashes: number): number {
  return crashes <= 1 ? 0 : backoffMs(RESTART, crashes - 1);
}
