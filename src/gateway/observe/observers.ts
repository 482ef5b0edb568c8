import type { Clock } from '#base/clock.ts';
import type { Revision } from '#api/serving-v1/revision.ts';
import { revisionAttributes } from '#autoscaler/revision-attributes.ts';
import type { Metrics } from '#telemetry/metrics.ts';
import { RequestMeter } from './request-meter.ts';
import type { RequestObserver } from './request-observer.ts';

export interface ObserversOptions {
  /** Where requests are counted and timed; nowhere where absent. */
  readonly metrics?: Metrics;
  readonly clock: Clock;
}

/** Who looks at the requests of a revision. */
export function observersOf({
  metrics,
  clock,
}: ObserversOptions): (revision: Revision) => RequestObserver | undefined {
  return ({ metadata }) => {
    const { namespace = '', name: revision = '', labels } = metadata;
    const attributes = revisionAttributes({ namespace, revision, labels });
    return metrics && new RequestMeter(metrics, attributes, clock);
  };
}
