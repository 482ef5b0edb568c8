import type { Usage } from '#agent/runtime/runtime.ts';

/** Usage as it was read at one moment. */
export interface Sample extends Pick<Usage, 'cpuNanos' | 'memoryBytes'> {
  /** Of the clock that never goes back. */
  readonly atMs: number;
}

/** What is used now: processor time in nanoseconds a second, and memory. */
export interface Rate {
  readonly cpuNanos: number;
  readonly memoryBytes: number;
  readonly windowMs: number;
}

/** Over less, the clock's seconds and the kernel's ticks are a part of the result that shows. */
const WINDOW_MIN_MS = 5_000;

/** Undefined where the two are too near each other, or are not of one life: the counter went back. */
export function rateBetween(before: Sample | undefined, now: Sample): Rate | undefined {
  if (!before) return undefined;
  const windowMs = now.atMs - before.atMs;
  const usedNanos = now.cpuNanos - before.cpuNanos;
  if (windowMs < WINDOW_MIN_MS || usedNanos < 0) return undefined;
  return { cpuNanos: (usedNanos * 1000) / windowMs, memoryBytes: now.memoryBytes, windowMs };
}
