/** Prepared sandboxes now, and what became of them since the control process began. The agent counts, `knode status` prints. */
export interface PreparedCounts {
  /** How many there are at most, `ready` and `making` together. */
  readonly capacity: number;
  readonly ready: number;
  readonly making: number;
  /** Their program runs, and their object is not there yet. */
  readonly starting: number;
  /** Became pods, whether they were started before or not. */
  readonly used: number;
  /** Were removed before that: what they were made from changed, others were called later, or their object never came. */
  readonly discarded: number;
}
