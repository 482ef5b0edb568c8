import { setTimeout as delay } from 'node:timers/promises';

/** Time as a dependency, so tests can own it. Only base/ may ask the machine for the time. */
export interface Clock {
  /** The wall clock; it may jump. For time stamps that people read, never for measuring. */
  now(): Date;
  /** Milliseconds that never go back, from an arbitrary start that all processes of a machine share. For windows, deadlines, leases. */
  monotonicMs(): number;
  /** Calls `run` once after `delayMs` unless the returned handle is disposed first. */
  after(delayMs: number, run: () => void): Disposable;
}

/** When this process began, by the monotonic clock; performance.now() counts from there. */
export const PROCESS_START_MS = Number(process.hrtime.bigint()) / 1e6 - performance.now();

export const systemClock: Clock = {
  now: () => new Date(),
  monotonicMs: () => PROCESS_START_MS + performance.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
};

/** Resolves after `delayMs` of `clock`, or rejects with the signal's reason as soon as it is aborted. */
export async function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  if (clock === systemClock) {
    await delay(delayMs, undefined, signal ? { signal } : {}).catch((error: unknown) => {
      // Not an error of the timer's own that hides it.
      signal?.throwIfAborted();
      throw error;
    });
    return;
  }
  signal?.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  using _timer = clock.after(delayMs, resolve);
  const onAbort = (): void => reject(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    await promise;
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}
