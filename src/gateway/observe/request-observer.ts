import type { Pod } from '../backend/pod.ts';
import type { Exchange } from '../connection/exchange.ts';

/** A request to a revision, from its head to the end of its answer. Times are the machine's monotonic milliseconds. */
export interface ObservedRequest {
  readonly exchange: Exchange;
  readonly arrivedMs: number;
  /** It was given the pod it is in or was last in; absent while it has had none. */
  readonly admittedMs: number | undefined;
  readonly servedBy: Pod | undefined;
}

/** What a revision's backend knows at any time. */
export interface ObservedBackend {
  /** Requests in the gateway, waiting ones included. */
  readonly inFlight: number;
  readonly waiting: number;
}

/** Looks at the requests of one revision. Nothing it does may fail, or take long: a request waits for it. */
export interface RequestObserver extends Disposable {
  watch(backend: ObservedBackend): void;
  /** Told once of each request, when nothing more happens to it. */
  ended(request: ObservedRequest): void;
}
