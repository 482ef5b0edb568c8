import { appendFileSync } from 'node:fs';

/** What a fault test did: one line of the table that `npm run faults` prints. */
export interface FaultRow {
  /** `F30`, or what has no number: `kill -9`. */
  readonly id: string;
  readonly what: string;
  /** Of cases tried. */
  readonly count: number;
  /** In figures: what was refused, times, memory. */
  readonly found: string;
}

/** A tenth of the cases unless the runner says otherwise; never less than one. */
export function scaled(full: number): number {
  return Math.ceil(full * share());
}

/** The time a test may take for its share of the cases; no limit where all of them are wanted. */
export function boundedMs(limitMs: number): number {
  return share() < 1 ? limitMs : Infinity;
}

function share(): number {
  return Number(process.env['KNODE_FAULTS_SHARE'] ?? 0.1);
}

/** Prints the row, and keeps it for the runner's table. */
export function reportFault(row: FaultRow): void {
  process.stdout.write(`${row.id}: ${row.what}: ${row.count} cases; ${row.found}\n`);
  const table = process.env['KNODE_FAULTS_TABLE'];
  if (table !== undefined) appendFileSync(table, `${JSON.stringify(row)}\n`);
}

/** `p50 1.2 ms, p99 8.0 ms, max 12.3 ms` */
export function timesText(timesMs: readonly number[]): string {
  const sorted = timesMs.toSorted((a, b) => a - b);
  const at = (share: number): string =>
    (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0).toFixed(1);
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms`;
}
