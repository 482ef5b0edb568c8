import type { Pod } from '../backend/pod.ts';
import type { Exchange } from '../connection/exchange.ts';
import type { AppendedFields } from '../route/appended-fields.ts';

/** The part of a trace that one request is in this gateway. */
export interface RequestTrace {
  readonly traceId: string;
  /** Of the request, and of its stay in a pod: the program's parent. */
  readonly serverId: string;
  readonly proxyId: string;
  /** Who asked; absent where the trace begins here. */
  readonly parentId: string | undefined;
  readonly isSampled: boolean;
  /** There was a pod to go to when it came. */
  readonly hadPod: boolean;
  /** For the program. */
  readonly traceParent: string;
}

/** A request to a revision, from its head to the end of its answer. Times are the machine's monotonic milliseconds. */
export interface ObservedRequest {
  readonly exchange: Exchange;
  /** What the routes set on it, whatever its client says. */
  readonly appended: AppendedFields;
  readonly arrivedMs: number;
  /** It was given the pod it is in or was last in; absent while it has had none. */
  readonly admittedMs: number | undefined;
  readonly servedBy: Pod | undefined;
  /** No pod could take it when it came. */
  readonly hasWaited: boolean;
  readonly trace: RequestTrace | undefined;
}

/** What a revision's backend knows at any time. */
export interface ObservedBackend {
  /** Requests in the gateway, waiting ones included. */
  readonly inFlight: number;
  readonly waiting: number;
  /** There is a pod that takes requests, if it has room. */
  readonly hasPods: boolean;
}

/** Looks at the requests of one revision. Nothing it does may fail, or take long: a request waits for it. */
export interface RequestObserver extends Disposable {
  watch(backend: ObservedBackend): void;
  /** Told of each request before it goes anywhere; returns what trace it is part of from here on. */
  began(exchange: Exchange): RequestTrace | undefined;
  /** Told once of each request, when nothing more happens to it. */
  ended(request: ObservedRequest): void;
  /** A probe was answered for the revision. */
  probed(request: ObservedRequest): void;
}
