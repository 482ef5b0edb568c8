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
