import type { Deadlines } from '../deadlines.ts';
import type { RequestObserver } from '../observe/request-observer.ts';
import type { Pod } from './pod.ts';

/** A request that wants a pod. */
export interface Visitor {
  /** Where it is; only for the backend. */
  pod: Pod | undefined;
  /** May be called from within `enter`. */
  onPod(pod: Pod): void;
  onRefused(status: number, text: string): void;
  onTimeout(): void;
}

/** How long a request may take, from its arrival; absent: for ever. Each ends with `onTimeout`. */
export interface RequestDeadlines {
  readonly total?: Deadlines<Visitor>;
  /** To the response's head. */
  readonly start?: Deadlines<Visitor>;
  /** To the first byte of the response, and then from each byte to the next. */
  readonly idle?: Deadlines<Visitor>;
}

/** Something that requests can be sent to: pods behind a Service. */
export interface Backend extends Disposable {
  readonly kind: 'revision' | 'plain';
  readonly deadlines: RequestDeadlines;
  /** Absent where nobody looks. */
  readonly observer?: RequestObserver | undefined;
  /** Calls `onPod` when a pod has room, or `onRefused`; then `leave` must be called, exactly once. */
  enter(visitor: Visitor): void;
  /** Its pod could not be connected to, and nothing was sent: as `enter` again. */
  enterAgain(visitor: Visitor): void;
  /** The head of its answer has come. */
  answered(visitor: Visitor): void;
  /** Its answer changed the protocol: from now on it lasts as long as both sides like. */
  upgraded(visitor: Visitor): void;
  /** The request has ended, wherever it was. */
  leave(visitor: Visitor): void;
}
