import type { Kind } from '#api/kind.ts';
import type { Informers } from '#client/informers.ts';
import type { Metrics } from '#telemetry/metrics.ts';
import type { Context } from '#reconcile/controller.ts';
import { QueueMeter } from '#reconcile/queue-meter.ts';
import type { WorkQueue } from '#reconcile/work-queue.ts';

/** What a loop works with, besides what a reconcile gets. */
export interface LoopContext extends Context {
  readonly informers: Informers;
  /** Where queues are measured; nowhere where absent. */
  readonly metrics?: Metrics;
}

/** For the options of a queue of that name. */
export function meterOf(
  { metrics }: Pick<LoopContext, 'metrics'>,
  name: string,
): { readonly meter?: QueueMeter } {
  return metrics ? { meter: new QueueMeter(metrics, name) } : {};
}

/** Something that keeps working off a queue: one per controller, and those that look at many kinds at once. */
export interface Loop {
  readonly queue: Pick<
    WorkQueue<never>,
    'isIdle' | 'idle' | 'retries' | typeof Symbol.asyncDispose
  >;
  /** Looks at everything again. */
  enqueueAll(): void;
}

/** Begins a loop; the informers of the kinds it asked for are synced. Its work ends with the context's signal. */
export interface LoopStarter {
  readonly kinds: readonly Kind[];
  start(context: LoopContext): Loop;
}
