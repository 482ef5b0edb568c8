import { backoffMs } from '#base/backoff.ts';
import { sleep, type Clock } from '#base/clock.ts';

const RETRY = { firstMs: 500, maxMs: 30_000 };

export interface UntilDoneOptions {
  readonly clock: Clock;
  readonly onFailure: (error: unknown) => void;
  readonly signal: AbortSignal;
}

/**
 * Does a task again until it succeeds: a file that is in use, an API that is away or whose disk is full. What fails now may
 * not fail in a minute, and nobody else does it. Rejects with the signal's reason.
 */
export async function untilDone(
  task: () => Promise<void>,
  { clock, onFailure, signal }: UntilDoneOptions,
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await task();
      return;
    } catch (error) {
      onFailure(error);
      await sleep(clock, backoffMs(RETRY, attempt), signal);
    }
  }
}
