import {
  boundScale,
  decideScale,
  initialDecision,
  initialMemory,
  type ScaleDecision,
  type ScaleMemory,
} from '#autoscaler/decide-scale.ts';
import { LoadWindow } from '#autoscaler/load-window.ts';
import type { ScaleSettings } from '#autoscaler/scale-settings.ts';

/** What gateways saw of a revision in one report; all 0 where they did not name it. */
export interface ReportedLoad {
  /** Requests at once. */
  readonly concurrency: number;
  /** Requests begun each second. */
  readonly rps: number;
}

/** What the PodAutoscaler controller knows of a revision. */
export interface ScaleTarget {
  readonly namespace: string;
  /** Also the name of the PodAutoscaler. */
  readonly revision: string;
  readonly deployment: string;
  /** Where a pod of it takes requests. */
  readonly port: number;
  readonly settings: ScaleSettings;
  readonly isReachable: boolean;
  readonly readyPods: number;
  /** Of the PodAutoscaler: whose revision it is. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** The load and the last decision of one revision. Times are a clock's monotonic milliseconds. */
export class RevisionScaler {
  #target: ScaleTarget;
  #decision: ScaleDecision;
  #memory: ScaleMemory;
  #stable: LoadWindow;
  #panic: LoadWindow;
  readonly #sinceMs: number;
  /** When requests were last said to wait. */
  #demandedMs: number | undefined;
  /** Load that a demand has counted before the report of its second does. */
  #countedAhead = 0;
  #load: RevisionScaler['load'];

  constructor(target: ScaleTarget, nowMs: number) {
    this.#target = target;
    this.#sinceMs = nowMs;
    this.#decision = initialDecision(target.settings);
    this.#memory = initialMemory(nowMs, target.readyPods);
    this.#stable = new LoadWindow(target.settings.stableWindowMs);
    this.#panic = new LoadWindow(target.settings.panicWindowMs);
  }

  get target(): ScaleTarget {
    return this.#target;
  }

  get decision(): ScaleDecision {
    return this.#decision;
  }

  /** What the last decision was made from; undefined where there was no load to decide by. */
  get load(): { readonly stable: number; readonly panic: number } | undefined {
    return this.#load;
  }

  get isPanic(): boolean {
    return this.#memory.panic !== undefined;
  }

  get demandedMs(): number | undefined {
    return this.#demandedMs;
  }

  /** The decision within min-scale and max-scale, and never none: what to have when requests wait. */
  get podsForDemand(): number {
    return boundScale(Math.max(1, this.#decision.desired), this.#target.settings);
  }

  /** Takes what the controller knows now; other windows than before begin with the load so far. */
  observe(target: ScaleTarget): void {
    const { settings } = this.#target;
    this.#target = target;
    if (target.settings.stableWindowMs !== settings.stableWindowMs) {
      this.#stable = this.#stable.resized(target.settings.stableWindowMs);
    }
    if (target.settings.panicWindowMs !== settings.panicWindowMs) {
      this.#panic = this.#panic.resized(target.settings.panicWindowMs);
    }
  }

  report(reported: ReportedLoad, nowMs: number): void {
    const load = reported[this.#target.settings.metric];
    // At zero the silence goes on, so that the first request's second is averaged over no second before it.
    if (load === 0 && this.#decision.desired === 0) return;
    this.#record(Math.max(0, load - this.#countedAhead), nowMs);
    this.#countedAhead = 0;
  }

  /** Requests wait and no pod takes them: counted at once, not at the end of the gateway's second. */
  demand(waiting: number, nowMs: number): void {
    this.#demandedMs = nowMs;
    const load = Math.max(1, waiting);
    if (load <= this.#countedAhead) return;
    this.#record(load - this.#countedAhead, nowMs);
    this.#countedAhead = load;
  }

  /** Decides anew; without load data the last decision stands. */
  decide(nowMs: number): ScaleDecision {
    const stable = this.#average(this.#stable, nowMs);
    this.#load = undefined;
    if (stable === undefined) return this.#decision;
    const { settings, readyPods, isReachable } = this.#target;
    const panic = this.#average(this.#panic, nowMs) ?? 0;
    this.#load = { stable, panic };
    const input = { nowMs, stable, panic, readyPods, isReachable };
    const { memory, ...decision } = decideScale(input, settings, this.#memory);
    this.#memory = memory;
    this.#decision = this.#isTooEarlyForZero(decision, nowMs)
      ? { ...decision, desired: 1 }
      : decision;
    return this.#decision;
  }

  /**
   * A control process that came back must not read its own short memory as silence: what has a pod keeps it until a
   * whole window was seen.
   */
  #isTooEarlyForZero({ desired }: ScaleDecision, nowMs: number): boolean {
    const { settings, readyPods, isReachable } = this.#target;
    const seenMs = nowMs - this.#sinceMs;
    return desired === 0 && readyPods > 0 && isReachable && seenMs < settings.stableWindowMs;
  }

  #average(window: LoadWindow, nowMs: number): number | undefined {
    const { isWeighted } = this.#target.settings;
    return isWeighted ? window.weightedAverage(nowMs) : window.average(nowMs);
  }

  #record(load: number, nowMs: number): void {
    this.#stable.record(nowMs, load);
    this.#panic.record(nowMs, load);
  }
}
