import type { ColdStart } from '#base/cold-start.ts';

/**
 * What gateways and the autoscaler tell each other. It flows over one connection per gateway process, as JSON lines, and
 * nothing of it is stored: a lost line costs at most a second of measuring.
 */

/** One revision's load at one gateway process over the last report period. */
export interface RevisionLoad {
  readonly namespace: string;
  readonly revision: string;
  /** Time-weighted average of requests in the gateway, waiting ones included. */
  readonly concurrency: number;
  /** Requests that began in the period. */
  readonly requests: number;
}

export type FromGateway =
  /** Each second, with every revision that had a request in the gateway in it. */
  | {
      readonly type: 'report';
      /** The end of the period by the gateway's monotonic clock: reports that come late, all at once, are told apart by it. */
      readonly atMs: number;
      readonly periodMs: number;
      readonly loads: readonly RevisionLoad[];
    }
  /** At once, when a request must wait because no pod of the revision can take it; once per state, not per request. */
  | {
      readonly type: 'demand';
      readonly namespace: string;
      readonly revision: string;
      readonly waiting: number;
    }
  /** A request that found no pod was answered. Lost where the autoscaler is away. */
  | ({ readonly type: 'coldStart' } & Omit<ColdStart, 'heardMs' | 'begunMs' | 'startedMs'>)
  /** The answer to `drain`: no request of this gateway process is in that pod, and none will go there. */
  | { readonly type: 'drained'; readonly namespace: string; readonly pod: string };

export type FromAutoscaler =
  /**
   * A pod is being started at this address; the gateway may probe it and send to it before the API says so. It is only
   * a hint: once the revision's EndpointSlices list the pod, they alone count.
   */
  | {
      readonly type: 'starting';
      readonly namespace: string;
      readonly revision: string;
      readonly pod: string;
      readonly address: string;
      readonly port: number;
    }
  /** That pod will not come: forget the hint. */
  | {
      readonly type: 'stopped';
      readonly namespace: string;
      readonly revision: string;
      readonly pod: string;
    }
  /** Choose this pod no more, and say `drained` when its last request has ended. */
  | { readonly type: 'drain'; readonly namespace: string; readonly pod: string };
