import { sleep, type Clock } from '#base/clock.ts';
import type { Probe } from '#api/generated/core-v1.ts';
import type { ProbeResult } from '#agent/probes/probe.ts';

export interface ProberOptions {
  readonly probe: Probe;
  readonly ask: () => Promise<ProbeResult>;
  readonly clock: Clock;
  /** Called when the thresholds are met, again only after the other; with the reason where it failed. */
  readonly onChange: (isSuccess: boolean, reason: string) => void;
  /** Called for every failure that counts; of an eager prober not for the first, which most programs earn by starting. */
  readonly onFailure: (reason: string) => void;
  /** Asks often until the first success: from 2 ms on, a tenth longer each time. Not for liveness. */
  readonly isEager: boolean;
}

const EAGER_FIRST_MS = 2;
/** A command costs the machine more than the program it asks. */
const EAGER_COMMAND_MS = 100;
const EAGER_GROWTH = 1.1;
const EAGER_MAX_MS = 1_000;

/**
 * Asks until `signal` is aborted. Failures count at most once a period, so asking often does not use up the threshold;
 * a success counts at once.
 */
export async function runProber(options: ProberOptions, signal: AbortSignal): Promise<void> {
  const { probe, ask, clock, onChange, onFailure, isEager } = options;
  const periodMs = (probe.periodSeconds || 10) * 1000;
  let successes = 0;
  let failures = 0;
  let failureCountedMs = -Infinity;
  let said: boolean | undefined;
  let delayMs = isEager ? (probe.exec ? EAGER_COMMAND_MS : EAGER_FIRST_MS) : periodMs;
  const say = (isSuccess: boolean, reason: string): void => {
    if (said === isSuccess) return;
    said = isSuccess;
    onChange(isSuccess, reason);
  };
  await sleep(clock, (probe.initialDelaySeconds ?? 0) * 1000, signal);
  let hasSucceeded = !isEager;
  for (;;) {
    const reason = await ask();
    signal.throwIfAborted();
    if (reason === '') {
      successes += 1;
      failures = 0;
      hasSucceeded = true;
      if (successes >= (probe.successThreshold || 1)) say(true, '');
    } else {
      successes = 0;
      if (clock.monotonicMs() - failureCountedMs >= periodMs) {
        failureCountedMs = clock.monotonicMs();
        failures += 1;
        if (hasSucceeded || failures > 1) onFailure(reason);
      }
      if (failures >= (probe.failureThreshold || 3)) say(false, reason);
    }
    await sleep(clock, hasSucceeded ? periodMs : Math.min(delayMs, periodMs, EAGER_MAX_MS), signal);
    delayMs *= EAGER_GROWTH;
  }
}
