/** What is asked of a figure: of its ratio to the peer's, or of itself where there is no peer. */
type Target =
  | { readonly ratioAtLeast: number }
  | { readonly ratioAtMost: number }
  | { readonly atMost: number };

/** One line of the table: what is measured under which load, and what would be good. */
export interface Row {
  readonly id: string;
  /** The load's shape, in words. */
  readonly measure: string;
  readonly unit: string;
  /** Whom the ratio is to, measured in the same run. */
  readonly peer?: string;
  readonly target: Target;
}

export interface Figure {
  readonly value: number;
  readonly peerValue?: number;
}

/** Rows that one run of the same load gives. */
export interface Measurement {
  readonly rows: readonly Row[];
  /** Figures by the row's id. Rejects where the load was not carried as it is described. */
  measure(context: BenchContext): Promise<Readonly<Record<string, Figure>>>;
}

export interface BenchContext {
  /** Says what goes on, for people. */
  readonly progress: (text: string) => void;
  /** Owns what the measurement starts, also where it is interrupted. */
  readonly resources: AsyncDisposableStack;
}

/** As it is printed for machines; what a row has none of is null. */
export interface MeasuredRow {
  readonly id: string;
  readonly value: number;
  readonly unit: string;
  readonly peer: string | null;
  readonly peerValue: number | null;
  readonly ratio: number | null;
  readonly target: string;
  readonly ok: boolean;
}

export function measuredRow(row: Row, { value, peerValue }: Figure): MeasuredRow {
  const ratio = peerValue === undefined ? undefined : value / peerValue;
  return {
    id: row.id,
    value: rounded(value),
    unit: row.unit,
    peer: row.peer ?? null,
    peerValue: peerValue === undefined ? null : rounded(peerValue),
    ratio: ratio === undefined ? null : rounded(ratio),
    target: targetText(row),
    ok: isMet(row.target, value, ratio),
  };
}

function isMet(target: Target, value: number, ratio = Number.NaN): boolean {
  if ('atMost' in target) return value <= target.atMost;
  if ('ratioAtMost' in target) return ratio <= target.ratioAtMost;
  return ratio >= target.ratioAtLeast;
}

function targetText({ target, unit }: Row): string {
  if ('atMost' in target) return `≤ ${target.atMost} ${unit}`;
  if ('ratioAtMost' in target) return `≤ ${target.ratioAtMost} ×`;
  return `≥ ${target.ratioAtLeast} ×`;
}

/** Three digits are more than a shared machine repeats. */
function rounded(value: number): number {
  return Number(value.toPrecision(value >= 1000 ? 4 : 3));
}
