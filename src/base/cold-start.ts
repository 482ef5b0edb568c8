/**
 * Where the time of a request went that found no pod and waited for one: the first of its wait. Monotonic milliseconds of
 * the machine, in order of their happening; those that nobody could measure are absent. The platform measures, `knode
 * demo --trace` prints.
 */
export interface ColdStart {
  readonly namespace: string;
  readonly revision: string;
  readonly pod: string;
  /** Its head was at the gateway, and there was no pod. */
  readonly arrivedMs: number;
  /** The autoscaler had heard of it. */
  readonly heardMs?: number;
  /** The agent began with the pod: to start it where it was prepared, to make it elsewhere. */
  readonly begunMs?: number;
  /** Its program began to run. */
  readonly startedMs?: number;
  /** The pod took a connection or passed its probe, and was given the request. */
  readonly admittedMs: number;
  /** The head of the answer was at the gateway. */
  readonly answeredMs: number;
}

/** A part of the time of one call, from the end of the stage before. */
export interface Stage {
  readonly name: 'request' | 'demand' | 'decision' | 'start' | 'program' | 'answer' | 'response';
  /** Whose time it is. */
  readonly by: string;
  /** Since the call began. */
  readonly fromMs: number;
  readonly tookMs: number;
}

/** The caller's own clock, which is the platform's: monotonic milliseconds of the machine. */
export interface CallTimes {
  readonly startMs: number;
  readonly endMs: number;
}

/** The call whole, cut at each moment that was measured; a stage whose end was not is part of the next one. */
export function coldStartStages({ startMs, endMs }: CallTimes, coldStart: ColdStart): Stage[] {
  const ends: readonly (readonly [Stage['name'], string, number | undefined])[] = [
    ['request', 'client to gateway', coldStart.arrivedMs],
    ['demand', 'gateway to autoscaler', coldStart.heardMs],
    ['decision', 'autoscaler to agent', coldStart.begunMs],
    ['start', 'agent and runc', coldStart.startedMs],
    ['program', 'the program, until it listens', coldStart.admittedMs],
    ['answer', 'the program, through the gateway', coldStart.answeredMs],
    ['response', 'gateway to client', endMs],
  ];
  const stages: Stage[] = [];
  let atMs = startMs;
  for (const [name, by, measuredMs] of ends) {
    if (measuredMs === undefined) continue;
    // Who measures may be late to look: what another process saw meanwhile was not earlier for that.
    const untilMs = Math.min(endMs, Math.max(atMs, measuredMs));
    stages.push({ name, by, fromMs: atMs - startMs, tookMs: untilMs - atMs });
    atMs = untilMs;
  }
  return stages;
}

/** How long one stage of a revision's cold starts took, or all of each. The autoscaler counts, `knode coldstarts` prints. */
export interface StageHistogram {
  readonly namespace: string;
  readonly service: string;
  readonly revision: string;
  readonly stage: Stage['name'] | 'total';
  /** Upper bounds in seconds; `counts` has one more for what is above all of them. */
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
  readonly count: number;
  readonly sumSeconds: number;
}
