import type { Clock } from '#base/clock.ts';
import {
  type Counter,
  type Family,
  type Gauge,
  type Histogram,
  type Instrument,
  type Metrics,
  SECONDS_BOUNDS,
} from '#telemetry/metrics.ts';

const SCOPE = 'knative.dev/pkg/observability/metrics/k8s';

function instrument(name: string, unit: string, description: string): Instrument {
  return { name: `kn.workqueue.${name}`, unit, description, scope: SCOPE };
}

const DEPTH = instrument('depth', '{item}', 'Number of current items in the queue');
const ADDS = instrument('adds', '{item}', 'Number of items added to the queue');
const RETRIES = instrument('retries', '{item}', 'Number of items re-added to the queue');
const QUEUED = instrument('queue.duration', 's', 'How long an item stays in workqueue');
const PROCESSED = instrument(
  'process.duration',
  's',
  'How long in seconds processing an item from workqueue takes',
);
const UNFINISHED = instrument(
  'unfinished_work',
  's',
  'How many seconds of work is in progress and not yet part of the process duration',
);
const LONGEST = instrument(
  'longest_running_processor',
  's',
  'How long the longest running worker has been at its item',
);

/** What a queue knows of itself at any time. */
interface Observed {
  readonly depth: () => number;
  /** When each item that is worked on was begun, by the queue's clock. */
  readonly runningSinceMs: () => Iterable<number>;
}

/** Measures one work queue, in client-go's figures under upstream's names. */
export class QueueMeter {
  readonly adds: Counter;
  readonly retries: Counter;
  readonly #queued: Histogram;
  readonly #processed: Histogram;
  readonly #metrics: Metrics;
  readonly #name: string;

  constructor(metrics: Metrics, name: string) {
    const of = { name };
    const bounds = SECONDS_BOUNDS;
    this.#metrics = metrics;
    this.#name = name;
    this.adds = metrics.counter(ADDS).of(of);
    this.retries = metrics.counter(RETRIES).of(of);
    this.#queued = metrics.histogram({ ...QUEUED, bounds }).of(of);
    this.#processed = metrics.histogram({ ...PROCESSED, bounds }).of(of);
  }

  /** Of several queues of one name all are told together. */
  watch({ depth, runningSinceMs }: Observed, clock: Clock): void {
    const agesMs = (): number[] => {
      const nowMs = clock.monotonicMs();
      return Array.from(runningSinceMs(), (sinceMs) => nowMs - sinceMs);
    };
    const sumMs = (): number => agesMs().reduce((all, ageMs) => all + ageMs, 0);
    this.#watch(this.#metrics.upDownCounter(DEPTH), (others) => others + depth());
    this.#watch(this.#metrics.gauge(UNFINISHED), (others) => others + sumMs() / 1_000);
    this.#watch(this.#metrics.gauge(LONGEST), (others) =>
      Math.max(others, ...agesMs().map((ageMs) => ageMs / 1_000)),
    );
  }

  queued(ms: number): void {
    this.#queued.record(ms / 1_000);
  }

  processed(ms: number): void {
    this.#processed.record(ms / 1_000);
  }

  #watch(family: Family<Gauge>, withOthers: (others: number) => number): void {
    const gauge = family.of({ name: this.#name });
    const others = gauge.observe ?? (() => 0);
    gauge.observe = () => withOthers(others());
  }
}
