import type { ColdStart } from '#base/cold-start.ts';

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

const BAR_COLUMNS = 40;

/** A line for each stage: its bar stands where it was in the time of the whole. */
export function timelineOf(stages: readonly Stage[]): string[] {
  const last = stages.at(-1);
  const totalMs = last ? last.fromMs + last.tookMs : 0;
  const column = (ms: number): number => Math.round((ms / totalMs) * BAR_COLUMNS) || 0;
  return stages.map(({ name, by, fromMs, tookMs }) => {
    const from = Math.min(BAR_COLUMNS - 1, column(fromMs));
    const length = Math.max(1, column(fromMs + tookMs) - from);
    // What is too short for a bar is still there.
    const bar = (column(tookMs) === 0 ? '▏' : '█'.repeat(length)).padStart(from + length);
    return `  ${name.padEnd(9)} ${bar.padEnd(BAR_COLUMNS)} ${tookMs.toFixed(1).padStart(7)} ms  ${by}`;
  });
}
