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
import type { ObservedBackend, ObservedRequest } from './request-observer.ts';
import { NO_TAGS, routeTagOf } from './route-tag.ts';

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

/** No Route has a longer tag, which is a label of a host. */
const TAG_LENGTH_MAX = 63;

const OVERFLOW: Attributes = { 'otel.metric.overflow': 'true' };

/** Series of all requests that were asked and answered alike. */
interface Answered {
  readonly duration: Histogram;
  readonly requestSize: Histogram;
  readonly responseSize: Histogram;
}

/** Counts and times the requests of one revision. One that was asked and answered like another before costs no memory. */
export class RequestMeter implements Disposable {
  readonly #metrics: Metrics;
  readonly #group: SeriesGroup;
  readonly #clock: Clock;
  /** By tag, and then by method, version, scheme and status. */
  readonly #answers = new Map<string, Map<number, Answered>>();
  /** How many these are: any client can make up tags, and must not take the room of requests without one. */
  readonly #counts = { untagged: 0, tagged: 0 };
  /** By status. */
  readonly #invocations = new Map<number, Histogram>();
  #overflow: Answered | undefined;

  constructor(metrics: Metrics, revision: Attributes, clock: Clock) {
    this.#metrics = metrics;
    this.#group = new SeriesGroup(revision);
    this.#clock = clock;
  }

  ended(request: ObservedRequest): void {
    const { exchange, arrivedMs, admittedMs } = request;
    const nowMs = this.#clock.monotonicMs();
    const answered = this.#answered(request);
    answered.duration.record((nowMs - arrivedMs) / 1_000);
    answered.requestSize.record(exchange.requestBytes);
    answered.responseSize.record(exchange.responseBytes);
    if (admittedMs === undefined) return;
    this.#invocation(exchange.status).record((nowMs - admittedMs) / 1_000);
  }

  [Symbol.dispose](): void {
    this.#group[Symbol.dispose]();
  }

  #answered(request: ObservedRequest): Answered {
    const { head, status, connection } = request.exchange;
    const method = METHODS.indexOf(head.method) + 1;
    const isSecure = Number(connection.scheme === 'https');
    const key = ((status * 16 + method) * 2 + head.minorVersion) * 2 + isSecure;
    const tag = routeTagOf(request);
    const found = this.#answers.get(tag)?.get(key);
    if (found) return found;
    const kept = NO_TAGS.has(tag) ? 'untagged' : 'tagged';
    if (this.#counts[kept] >= ANSWERS_MAX || tag.length > TAG_LENGTH_MAX) {
      this.#overflow ??= this.#series(OVERFLOW);
      return this.#overflow;
    }
    this.#counts[kept] += 1;
    // As it is it would keep the whole head that it is a part of.
    const ownTag = Buffer.from(tag).toString();
    const made = this.#series({
      'http.request.method': METHODS[method - 1] ?? '_OTHER',
      'network.protocol.name': 'http',
      'network.protocol.version': `1.${head.minorVersion}`,
      'url.scheme': connection.scheme,
      'kn.route.tag': ownTag,
      ...ofStatus(status),
    });
    const alike = this.#answers.get(ownTag) ?? new Map<number, Answered>();
    this.#answers.set(ownTag, alike.set(key, made));
    return made;
  }

  #series(more: Attributes): Answered {
    return {
      duration: this.#histogram(SERVER_DURATION, { bounds: SECONDS_BOUNDS, more }),
      requestSize: this.#histogram(REQUEST_SIZE, { bounds: BYTES_BOUNDS, more }),
      responseSize: this.#histogram(RESPONSE_SIZE, { bounds: BYTES_BOUNDS, more }),
    };
  }

  /** Upstream tells invocations apart by their status alone. */
  #invocation(status: number): Histogram {
    const found = this.#invocations.get(status);
    if (found) return found;
    const isOverflow = this.#invocations.size >= ANSWERS_MAX;
    const more = isOverflow ? OVERFLOW : ofStatus(status);
    const made = this.#histogram(INVOCATION, { bounds: SECONDS_BOUNDS, more });
    if (!isOverflow) this.#invocations.set(status, made);
    return made;
  }

  #histogram(
    described: Instrument,
    { bounds, more }: { readonly bounds: readonly number[]; readonly more: Attributes },
  ): Histogram {
    return this.#group.of(this.#metrics.histogram({ ...described, bounds }), more);
  }
}

function ofStatus(status: number): Attributes {
  return status === 0 ? {} : { 'http.response.status_code': status };
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
