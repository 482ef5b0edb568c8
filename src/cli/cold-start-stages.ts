import type { Stage } from '#base/cold-start.ts';

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
