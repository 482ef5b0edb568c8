import { sleep, systemClock } from '#base/clock.ts';
import { call } from '#test/support/platform.ts';

export interface OpenLoop {
  /** Resolves when so many requests have been sent. */
  reached(count: number): Promise<void>;
  /** Resolves when all are answered. */
  ended(): Promise<{ readonly failures: readonly string[]; readonly timesMs: readonly number[] }>;
}

/** GETs at a fixed rate whatever the answers do, each over a connection of its own. */
export function openLoop(
  url: string,
  { requests, perSecond }: { readonly requests: number; readonly perSecond: number },
): OpenLoop {
  const failures: string[] = [];
  const timesMs: number[] = [];
  const startMs = performance.now();
  const due = async (count: number): Promise<void> => {
    const waitMs = startMs + (count * 1000) / perSecond - performance.now();
    if (waitMs > 0) await sleep(systemClock, waitMs);
  };
  const all = Array.from({ length: requests }, async (_, index) => {
    await due(index);
    const sentMs = performance.now();
    const outcome = await call(url).then(
      ({ status, body }) => (status === 200 ? '200' : `${status} ${body.trim()}`),
      (error: unknown) => String(error),
    );
    timesMs.push(performance.now() - sentMs);
    if (outcome !== '200') failures.push(`request ${index}: ${outcome}`);
  });
  return {
    reached: due,
    async ended() {
      await Promise.all(all);
      return { failures, timesMs };
    },
  };
}
