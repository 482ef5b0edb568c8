import type { Clock } from '#base/clock.ts';
import type { Revision } from '#api/serving-v1/revision.ts';
import { servingKeys } from '#api/serving-v1/serving-keys.ts';
import { revisionAttributes } from '#autoscaler/revision-attributes.ts';
import type { Attributes, Metrics } from '#telemetry/metrics.ts';
import type { Exchange } from '../connection/exchange.ts';
import { isProbeRequest, type LoggedRevision, type RequestLog } from './request-log.ts';
import { meterBackends, type MeteredBackend, RequestMeter } from './request-meter.ts';
import type {
  ObservedBackend,
  ObservedRequest,
  RequestObserver,
  RequestTrace,
} from './request-observer.ts';
import type { Tracer } from './tracer.ts';

export interface ObserversOptions {
  /** Where requests are counted and timed; nowhere where absent. */
  readonly metrics?: Metrics;
  readonly requestLog?: RequestLog;
  readonly tracer?: Tracer;
  readonly clock: Clock;
}

/** Who looks at the requests of a revision. */
export function observersOf(
  options: ObserversOptions,
): (revision: Revision) => RequestObserver | undefined {
  const { metrics, requestLog, tracer } = options;
  if (!metrics && !requestLog && !tracer) return () => undefined;
  const observed = new Map<RevisionObserver, MeteredBackend>();
  if (metrics) meterBackends(metrics, () => observed.values());
  return (revision) => new RevisionObserver(revision, { ...options, observed });
}

interface RevisionObserverOptions extends ObserversOptions {
  /** All there are. */
  readonly observed: Map<RevisionObserver, MeteredBackend>;
}

class RevisionObserver implements RequestObserver {
  readonly #options: RevisionObserverOptions;
  readonly #attributes: Attributes;
  readonly #logged: LoggedRevision;
  readonly #meter: RequestMeter | undefined;
  #backend: ObservedBackend | undefined;

  constructor({ metadata }: Revision, options: RevisionObserverOptions) {
    const { metrics, clock } = options;
    const { namespace = '', name: revision = '', labels = {} } = metadata;
    this.#options = options;
    this.#attributes = revisionAttributes({ namespace, revision, labels });
    this.#logged = {
      Name: revision,
      Namespace: namespace,
      Service: labels[servingKeys.service] ?? '',
      Configuration: labels[servingKeys.configuration] ?? '',
    };
    this.#meter = metrics && new RequestMeter(metrics, this.#attributes, clock);
  }

  watch(backend: ObservedBackend): void {
    this.#backend = backend;
    this.#options.observed.set(this, { attributes: this.#attributes, backend });
  }

  began(exchange: Exchange): RequestTrace | undefined {
    return this.#options.tracer?.begin(exchange, this.#backend?.hasPods ?? false);
  }

  ended(request: ObservedRequest): void {
    const { requestLog, tracer } = this.#options;
    const { exchange, trace } = request;
    this.#meter?.ended(request);
    if (requestLog?.wants(false) && (requestLog.wants(true) || !isProbeRequest(exchange))) {
      requestLog.log(request, this.#logged, trace?.traceId);
    }
    if (trace) tracer?.end(trace, request, this.#attributes);
  }

  probed(request: ObservedRequest): void {
    const { requestLog } = this.#options;
    if (requestLog?.wants(true)) requestLog.log(request, this.#logged, undefined);
  }

  [Symbol.dispose](): void {
    this.#options.observed.delete(this);
    this.#meter?.[Symbol.dispose]();
  }
}
