import type { ScaleSettings } from '#autoscaler/scale-settings.ts';

/**
 * The KPA's formula (serving specification §4.3): from observed concurrency to a wanted number of pods. The stable
 * window follows the load slowly; when the short panic window wants at least `panicThreshold` times the ready pods, a
 * panic begins, in which the number only grows, and it ends a stable window after the last such moment.
 */
export interface ScaleInput {
  readonly nowMs: number;
  /** The average load over the stable and the panic window. */
  readonly stable: number;
  readonly panic: number;
  readonly readyPods: number;
  readonly isReachable: boolean;
}

/** What one decision leaves for the next. */
export interface ScaleMemory {
  readonly panic?: { readonly sinceMs: number; readonly podsMax: number };
  /** What was wanted within the scale-down delay, oldest first. */
  readonly delayed: readonly { readonly atMs: number; readonly pods: number }[];
}

export interface ScaleDecision {
  /** Not yet bounded by min-scale and max-scale; −1: nothing is known. */
  readonly desired: number;
  /** Below 0: the pods alone could not take a burst. */
  readonly excessBurstCapacity: number;
}

/** Of a decider that has seen no load: one that begins beside several pods begins in panic, so that none is lost. */
export function initialMemory(nowMs: number, readyPods: number): ScaleMemory {
  if (readyPods <= 1) return { delayed: [] };
  return { panic: { sinceMs: nowMs, podsMax: readyPods }, delayed: [] };
}

export function initialDecision(settings: ScaleSettings): ScaleDecision {
  const { targetBurstCapacity, initialScale, total } = settings;
  if (targetBurstCapacity <= 0) return { desired: -1, excessBurstCapacity: targetBurstCapacity };
  return {
    desired: -1,
    excessBurstCapacity: Math.trunc(initialScale * total - targetBurstCapacity),
  };
}

export function decideScale(
  input: ScaleInput,
  settings: ScaleSettings,
  memory: ScaleMemory,
): ScaleDecision & { readonly memory: ScaleMemory } {
  const ready = Math.max(1, input.readyPods);
  const most = Math.ceil(settings.maxScaleUpRate * ready);
  const least = input.isReachable ? Math.floor(ready / settings.maxScaleDownRate) : 0;
  const wanted = Math.ceil(input.stable / settings.target);
  const wantedInPanic = Math.ceil(input.panic / settings.target);
  const podsFor = (pods: number): number => {
    const bounded = Math.min(Math.max(pods, least), most);
    return pods > 0 ? Math.max(bounded, settings.activationScale) : bounded;
  };
  const stablePods = podsFor(wanted);
  const isOver = wantedInPanic / ready >= settings.panicThreshold;
  const panicSinceMs = isOver ? input.nowMs : memory.panic?.sinceMs;
  const isPanic =
    panicSinceMs !== undefined && (isOver || panicSinceMs + settings.stableWindowMs >= input.nowMs);
  const podsMax = Math.max(memory.panic?.podsMax ?? 0, stablePods, podsFor(wantedInPanic));
  const { desired, delayed } = delayScaleDown(isPanic ? podsMax : stablePods, input, {
    settings,
    memory,
  });
  return {
    desired,
    excessBurstCapacity: excessBurstCapacity(input, settings),
    memory: { ...(isPanic && { panic: { sinceMs: panicSinceMs, podsMax } }), delayed },
  };
}

function delayScaleDown(
  pods: number,
  { nowMs, isReachable }: ScaleInput,
  { settings, memory }: { readonly settings: ScaleSettings; readonly memory: ScaleMemory },
): { readonly desired: number; readonly delayed: ScaleMemory['delayed'] } {
  const { scaleDownDelayMs } = settings;
  if (scaleDownDelayMs === 0) return { desired: pods, delayed: [] };
  // Nobody's route leads to it: what it was in need of is not held for it, nor forgotten.
  if (!isReachable) return { desired: pods, delayed: memory.delayed };
  const oldest = delaySlot(nowMs) - Math.ceil(scaleDownDelayMs / DELAY_SLOT_MS);
  const recent = memory.delayed.filter(({ atMs }) => delaySlot(atMs) > oldest);
  // What an equal or higher one outlives can never be the maximum again.
  const delayed = [...recent.filter((past) => past.pods > pods), { atMs: nowMs, pods }];
  return { desired: Math.max(...delayed.map((past) => past.pods)), delayed };
}

/** As fine as decisions are made (serving specification §4.3). */
const DELAY_SLOT_MS = 2_000;

function delaySlot(atMs: number): number {
  return Math.floor(atMs / DELAY_SLOT_MS);
}

function excessBurstCapacity({ readyPods, panic }: ScaleInput, settings: ScaleSettings): number {
  const { targetBurstCapacity, total } = settings;
  if (targetBurstCapacity <= 0) return targetBurstCapacity;
  return Math.floor(readyPods * total - targetBurstCapacity - panic);
}

/** A wanted number within min-scale and max-scale; where these contradict each other the least counts. */
export function boundScale(
  pods: number,
  { minScale, maxScale }: { readonly minScale: number; readonly maxScale: number },
): number {
  if (pods < minScale) return minScale;
  return maxScale > 0 ? Math.min(pods, maxScale) : pods;
}
