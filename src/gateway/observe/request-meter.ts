import type { Clock } from '#base/clock.ts';
import {
  type Attributes,
  type Histogram,
  type Instrument,
  type Metrics,
  type Point,
  SECONDS_BOUNDS,
  SeriesGroup,
} from '#telemetry/metrics.ts';
import type { Exchange } from '../connection/exchange.ts';
import type { ObservedBackend, ObservedRequest } from './request-observer.ts';

const QUEUE = 'knative.dev/serving/pkg/queue';
const ACTIVATOR = 'knative.dev/serving/pkg/activator';
const HTTP = 'knode/gateway';

function instrument(scope: string, name: string, unit: string, description: string): Instrument {
  return { name, unit, description, scope };
}

const DEPTH = instrument(
  QUEUE,
  'kn.serving.queue.depth',
  '{request}',
  'Number of requests in the gateway for the revision, waiting ones included',
);
const INVOCATION = instrument(
  QUEUE,
  'kn.serving.invocation.duration',
  's',
  'How long requests were in a pod of the revision',
);
const CONCURRENCY = instrument(
  ACTIVATOR,
  'kn.revision.request.concurrency',
  '{request}',
  'Concurrent requests that are routed to the gateway for the revision',
);
const QUEUED = instrument(
  ACTIVATOR,
  'kn.revision.request.queued',
  '{request}',
  'Number of requests that wait for a pod of the revision',
);
const ACTIVE = instrument(
  ACTIVATOR,
  'kn.revision.request.active',
  '{request}',
  'Number of requests in pods of the revision',
);
const SERVER_DURATION = instrument(
  HTTP,
  'http.server.request.duration',
  's',
  'Duration of HTTP server requests.',
);
const REQUEST_SIZE = instrument(
  HTTP,
  'http.server.request.body.size',
  'By',
  'Size of HTTP server request bodies.',
);
const RESPONSE_SIZE = instrument(
  HTTP,
  'http.server.response.body.size',
  'By',
  'Size of HTTP server response bodies.',
);
/** What OpenTelemetry's Go SDK has for histograms that say nothing else, which body sizes upstream do not. */
const BYTES_BOUNDS = [0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000];

/** Others are told as `_OTHER` (OpenTelemetry's semantic conventions for HTTP). */
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'];

/** So many different answers of one revision are told apart; what its program makes up beyond them is told together. */
const ANSWERS_MAX = 100;

/** Series of all requests that were asked and answered alike. */
interface Answered {
  readonly duration: Histogram;
  readonly requestSize: Histogram;
  readonly responseSize: Histogram;
  readonly invocation: Histogram;
}

/** Counts and times the requests of one revision. One that was asked and answered like another before costs no memory. */
export class RequestMeter implements Disposable {
  readonly #metrics: Metrics;
  readonly #group: SeriesGroup;
  readonly #clock: Clock;
  /** By method, version, scheme and status. */
  readonly #answers = new Map<number, Answered>();

  constructor(metrics: Metrics, revision: Attributes, clock: Clock) {
    this.#metrics = metrics;
    this.#group = new SeriesGroup(revision);
    this.#clock = clock;
  }

  ended({ exchange, arrivedMs, admittedMs }: ObservedRequest): void {
    const nowMs = this.#clock.monotonicMs();
    const answered = this.#answered(exchange);
    answered.duration.record((nowMs - arrivedMs) / 1_000);
    answered.requestSize.record(exchange.requestBytes);
    answered.responseSize.record(exchange.responseBytes);
    if (admittedMs !== undefined) answered.invocation.record((nowMs - admittedMs) / 1_000);
  }

  [Symbol.dispose](): void {
    this.#group[Symbol.dispose]();
  }

  #answered({ head, status, connection }: Exchange): Answered {
    const method = METHODS.indexOf(head.method) + 1;
    const isSecure = Number(connection.scheme === 'https');
    const key = ((status * 16 + method) * 2 + head.minorVersion) * 2 + isSecure;
    const found = this.#answers.get(key);
    if (found) return found;
    const isOverflow = this.#answers.size >= ANSWERS_MAX;
    const made = isOverflow
      ? this.#series({ 'otel.metric.overflow': 'true' }, {})
      : this.#series(status === 0 ? {} : { 'http.response.status_code': status }, {
          'http.request.method': METHODS[method - 1] ?? '_OTHER',
          'network.protocol.name': 'http',
          'network.protocol.version': `1.${head.minorVersion}`,
          'url.scheme': connection.scheme,
        });
    if (!isOverflow) this.#answers.set(key, made);
    return made;
  }

  /** Upstream tells invocations apart by their status alone. */
  #series(status: Attributes, request: Attributes): Answered {
    const of = (described: Instrument, bounds: readonly number[], more: Attributes): Histogram =>
      this.#group.of(this.#metrics.histogram({ ...described, bounds }), more);
    const all = { ...request, ...status };
    return {
      duration: of(SERVER_DURATION, SECONDS_BOUNDS, all),
      requestSize: of(REQUEST_SIZE, BYTES_BOUNDS, all),
      responseSize: of(RESPONSE_SIZE, BYTES_BOUNDS, all),
      invocation: of(INVOCATION, SECONDS_BOUNDS, status),
    };
  }
}

const REACHABLE = instrument(
  ACTIVATOR,
  'kn.activator.stats.conn.reachable',
  '{reachable}',
  'Whether the gateway reaches the autoscaler (1) or not (0)',
);
const ERRORS = instrument(
  ACTIVATOR,
  'kn.activator.stats.conn.errors',
  '{error}',
  'How often the gateway lost the autoscaler or did not reach it',
);

/** A revision and its requests now. */
export interface MeteredBackend {
  readonly attributes: Attributes;
  readonly backend: ObservedBackend;
}

/** Tells how many requests each revision has, whenever that is told. */
export function meterBackends(metrics: Metrics, backends: () => Iterable<MeteredBackend>): void {
  const points = (read: (backend: ObservedBackend) => number) => (): readonly Point[] =>
    Array.from(backends(), ({ attributes, backend }) => ({ attributes, value: read(backend) }));
  const inFlight = points((backend) => backend.inFlight);
  metrics.gauge(DEPTH).observeAll(inFlight);
  metrics.gauge(CONCURRENCY).observeAll(inFlight);
  metrics.upDownCounter(QUEUED).observeAll(points((backend) => backend.waiting));
  metrics.upDownCounter(ACTIVE).observeAll(points((backend) => backend.inFlight - backend.waiting));
}

/** Tells whether what the gateway measures arrives where it is decided by. */
export function meterConnection(
  metrics: Metrics,
  link: { readonly isConnected: boolean; readonly failures: number },
): void {
  const peer = { peer: 'autoscaler' };
  metrics.gauge(REACHABLE).of(peer).observe = () => Number(link.isConnected);
  metrics.counter(ERRORS).of(peer).observe = () => link.failures;
}
