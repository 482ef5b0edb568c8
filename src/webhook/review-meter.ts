import type { Clock } from '#base/clock.ts';
import { type Metrics, SECONDS_BOUNDS } from '#telemetry/metrics.ts';

const DURATION = {
  name: 'kn.webhook.handler.duration',
  unit: 's',
  description: 'The duration of task execution.',
  scope: 'knative.dev/pkg/webhook',
  bounds: SECONDS_BOUNDS,
};

/** Whoever reaches the webhook may say anything; that many series there are and no more. */
const OPERATIONS = ['CREATE', 'UPDATE', 'DELETE', 'CONNECT'];
const SUBRESOURCES = ['', 'status', 'scale'];

function knownOr(value: string, known: readonly string[]): string {
  return known.includes(value) ? value : 'other';
}

/** What was asked, of a kind that is known here, and whether it was allowed. */
interface Reviewed {
  readonly type: string;
  readonly kind: { readonly group: string; readonly version: string; readonly kind: string };
  readonly subresource: string;
  readonly operation: string;
  readonly isAllowed: boolean;
}

/** Times reviews under upstream's names. */
export class ReviewMeter {
  readonly #metrics: Metrics;
  readonly #clock: Clock;

  constructor(metrics: Metrics, clock: Clock) {
    this.#metrics = metrics;
    this.#clock = clock;
  }

  /** What is returned is told how the review that begins now has ended. */
  begin(): (reviewed: Reviewed) => void {
    const startMs = this.#clock.monotonicMs();
    return ({ type, kind, subresource, operation, isAllowed }) => {
      const attributes = {
        'kn.webhook.type': type,
        'kn.webhook.resource.group': kind.group,
        'kn.webhook.resource.version': kind.version,
        'kn.webhook.resource.kind': kind.kind,
        'kn.webhook.subresource': knownOr(subresource, SUBRESOURCES),
        'kn.webhook.operation.type': knownOr(operation, OPERATIONS),
        'kn.webhook.operation.status': isAllowed ? 'success' : 'failed',
      };
      const seconds = (this.#clock.monotonicMs() - startMs) / 1_000;
      this.#metrics.histogram(DURATION).of(attributes).record(seconds);
    };
  }
}
