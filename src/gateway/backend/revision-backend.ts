import type { Clock } from '#base/clock.ts';
import type { ColdStart } from '#base/cold-start.ts';
import type { Random } from '#base/random.ts';
import type { Revision } from '#api/serving-v1/revision.ts';
import { Deadlines } from '../deadlines.ts';
import type { RequestObserver } from '../observe/request-observer.ts';
import type { Backend, RequestDeadlines, Visitor } from './backend.ts';
import { LoadMeter } from './load-meter.ts';
import { type PickState, pickPod } from './pick-pod.ts';
import type { PodProber } from './pod-prober.ts';
import type { Pod } from './pod.ts';
import { readinessProbeOf } from './readiness-probe.ts';
import { RevisionPods } from './revision-pods.ts';

export interface RevisionBackendOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly prober: PodProber;
  /** Requests wait and no pod can take them; said when the first one begins to wait. */
  readonly onDemand: (waiting: number) => void;
  /** A request that found no pod was answered; told of the first of those that waited together. */
  readonly onColdStart: (times: ColdStartTimes) => void;
  /** Whether the pod of that name has been told to end, whatever the API says of it; none has where absent. */
  readonly isEnding?: (pod: string) => boolean;
  /** Disposed with the backend. */
  readonly observer?: RequestObserver | undefined;
}

/** The gateway's part of a ColdStart. */
export type ColdStartTimes = Pick<ColdStart, 'pod' | 'arrivedMs' | 'admittedMs' | 'answeredMs'>;

/** The first request that waits at zero, and how far it has come. */
interface FirstVisitor {
  readonly visitor: Visitor;
  readonly arrivedMs: number;
  admittedMs: number;
}

/** Upstream's depth of the queue before a revision. */
const WAITING_MAX = 10_000;
/** Full pods make requests wait and go on all the time; that often is soon enough for the autoscaler to hear of it. */
const DEMAND_EVERY_MS = 100;

/**
 * The pods of one revision, and the requests that wait for one in the order they came. At zero all of them wait. No pod
 * ever has more than containerConcurrency requests (0: no limit).
 */
export class RevisionBackend implements Backend {
  readonly kind = 'revision';
  readonly deadlines: RequestDeadlines;
  readonly observer: RequestObserver | undefined;
  readonly meter: LoadMeter;
  readonly pods: RevisionPods;
  readonly #options: RevisionBackendOptions;
  readonly #concurrency: number;
  readonly #waiting = new Set<Visitor>();
  readonly #upgraded = new Set<Visitor>();
  readonly #pickState: PickState = { next: 0 };
  #demandedMs = Number.NEGATIVE_INFINITY;
  #first: FirstVisitor | undefined;
  #isRetired = false;

  constructor(revision: Revision, options: RevisionBackendOptions) {
    const { clock, isEnding, prober } = options;
    this.#options = options;
    this.#concurrency = revision.spec.containerConcurrency ?? 0;
    this.deadlines = deadlinesOf(revision, clock);
    this.meter = new LoadMeter(clock);
    const probe = readinessProbeOf(revision);
    this.pods = new RevisionPods({
      probe,
      clock,
      isEnding,
      prober,
      onChange: () => this.#admit(),
    });
    this.observer = options.observer;
    this.observer?.watch(this);
  }

  get hasPods(): boolean {
    return this.pods.usable.length > 0;
  }

  get inFlight(): number {
    return this.meter.count;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  enter(visitor: Visitor): void {
    this.meter.begin();
    // Once, whatever happens to it: who waits, or goes to a second pod, has no more time for that.
    const { total, start, idle } = this.deadlines;
    total?.set(visitor);
    start?.set(visitor);
    idle?.set(visitor);
    this.#place(visitor);
  }

  enterAgain(visitor: Visitor): void {
    const { pod } = visitor;
    this.#free(visitor);
    if (pod) this.pods.suspect(pod);
    this.#place(visitor);
  }

  answered(visitor: Visitor): void {
    const first = this.#first;
    if (first?.visitor !== visitor || !visitor.pod) return;
    this.#first = undefined;
    const { arrivedMs, admittedMs } = first;
    const answeredMs = this.#options.clock.monotonicMs();
    this.#options.onColdStart({ pod: visitor.pod.name, arrivedMs, admittedMs, answeredMs });
  }

  upgraded(visitor: Visitor): void {
    this.answered(visitor);
    const { pod } = visitor;
    if (!pod) return;
    this.#upgraded.add(visitor);
    pod.upgraded += 1;
    this.pods.released(pod);
  }

  leave(visitor: Visitor): void {
    if (this.#first?.visitor === visitor) this.#first = undefined;
    this.meter.end();
    this.deadlines.total?.clear(visitor);
    this.deadlines.start?.clear(visitor);
    this.deadlines.idle?.clear(visitor);
    this.#waiting.delete(visitor);
    this.#free(visitor);
    if (this.#isRetired && this.inFlight === 0) this.#forgetDeadlines();
    this.#admit();
  }

  /** Says the demand again, where there is one: whoever heard it may be gone. */
  repeatDemand(): void {
    if (this.#waiting.size > 0) this.#options.onDemand(this.#waiting.size);
  }

  /** Refuses who waits and whoever comes; those with a pod go on to their end, within their time. */
  retire(): void {
    this.#isRetired = true;
    for (const visitor of this.#waiting) this.#refuse(visitor);
    this.#waiting.clear();
    this.pods[Symbol.dispose]();
    this.observer?.[Symbol.dispose]();
    if (this.inFlight === 0) this.#forgetDeadlines();
  }

  /** As `retire`, and nobody's time is looked at any more. */
  [Symbol.dispose](): void {
    this.retire();
    this.#forgetDeadlines();
  }

  #forgetDeadlines(): void {
    const { total, start, idle } = this.deadlines;
    for (const deadlines of [total, start, idle]) deadlines?.[Symbol.dispose]();
  }

  #refuse(visitor: Visitor): void {
    visitor.onRefused(503, 'the revision was deleted');
  }

  #place(visitor: Visitor): void {
    if (this.#isRetired) {
      this.#refuse(visitor);
      return;
    }
    const pod = this.#waiting.size === 0 ? this.#pick() : undefined;
    if (pod) this.#give(visitor, pod);
    else if (this.#waiting.size >= WAITING_MAX) {
      visitor.onRefused(503, 'pending request queue full');
    } else this.#wait(visitor);
  }

  #wait(visitor: Visitor): void {
    this.#waiting.add(visitor);
    if (this.#waiting.size > 1) return;
    const nowMs = this.#options.clock.monotonicMs();
    if (this.pods.usable.length === 0) {
      this.#first ??= { visitor, arrivedMs: nowMs, admittedMs: nowMs };
    }
    if (this.pods.usable.length > 0 && nowMs - this.#demandedMs < DEMAND_EVERY_MS) return;
    this.#demandedMs = nowMs;
    this.#options.onDemand(1);
  }

  /** Lets in who waits for as long as there is room. */
  #admit(): void {
    for (const visitor of this.#waiting) {
      const pod = this.#pick();
      if (!pod) return;
      this.#waiting.delete(visitor);
      this.#give(visitor, pod);
    }
  }

  #pick(): Pod | undefined {
    return pickPod(this.pods.usable, {
      concurrency: this.#concurrency,
      state: this.#pickState,
      random: this.#options.random,
    });
  }

  #give(visitor: Visitor, pod: Pod): void {
    pod.inFlight += 1;
    visitor.pod = pod;
    if (this.#first?.visitor === visitor) {
      this.#first.admittedMs = this.#options.clock.monotonicMs();
    }
    visitor.onPod(pod);
  }

  #free(visitor: Visitor): void {
    const { pod } = visitor;
    if (!pod) return;
    visitor.pod = undefined;
    pod.inFlight -= 1;
    if (this.#upgraded.size > 0 && this.#upgraded.delete(visitor)) pod.upgraded -= 1;
    this.pods.released(pod);
  }
}

function deadlinesOf(revision: Revision, clock: Clock): RequestDeadlines {
  const { timeoutSeconds, responseStartTimeoutSeconds, idleTimeoutSeconds } = revision.spec;
  const of = (seconds: number): Deadlines<Visitor> =>
    new Deadlines(clock, seconds * 1_000, (visitor) => visitor.onTimeout());
  return {
    ...(timeoutSeconds && { total: of(timeoutSeconds) }),
    ...(responseStartTimeoutSeconds && { start: of(responseStartTimeoutSeconds) }),
    ...(idleTimeoutSeconds && { idle: of(idleTimeoutSeconds) }),
  };
}
