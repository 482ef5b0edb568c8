import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import { createCachedClient } from '#client/cached-client.ts';
import type { Client } from '#client/client.ts';
import { Informers } from '#client/informers.ts';
import type { Metrics } from '#telemetry/metrics.ts';
import { startControllerLoop } from '#reconcile/controller-loop.ts';
import type { AnyController } from '#reconcile/controller.ts';
import type { Loop, LoopContext, LoopStarter } from '#reconcile/loop.ts';
import type { Retry } from '#reconcile/work-queue.ts';

export interface RunControllersOptions {
  /** Reads and writes the cluster itself; what controllers get reads from memory. */
  readonly client: Client;
  /** Shared with others; whoever hands them in disposes of them, later than the controllers. Their own where absent. */
  readonly informers?: Informers;
  readonly controllers: readonly AnyController[];
  /** Loops over many kinds at once, as garbage collection is one. */
  readonly loops?: readonly LoopStarter[];
  /** Where the work queues are measured; nowhere where absent. */
  readonly metrics?: Metrics;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Ends everything; disposing waits for it. */
  readonly signal: AbortSignal;
}

export interface RunningControllers extends AsyncDisposable {
  readonly informers: Informers;
  /** The controllers' own client: reads from memory, and sees what they wrote. */
  readonly client: Client;
  /** Resolves when no key waits or is worked on. Changes that the informers have yet to bring do not count. */
  idle(): Promise<void>;
  /** Keys that failed and wait for their next attempt. */
  retries(): readonly Retry[];
  /** Looks at every object again. */
  enqueueAll(): void;
}

/** Runs controllers until `signal` is aborted. Resolves when every object there is has been queued once. */
export async function runControllers(options: RunControllersOptions): Promise<RunningControllers> {
  const { clock, random, log, controllers, loops: starters = [] } = options;
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  await using own = new AsyncDisposableStack();
  const informers =
    options.informers ??
    own.use(new Informers({ client: options.client, clock, random, log, signal }));
  const client = createCachedClient(options.client, informers);
  const live = options.client;
  const measured = options.metrics && { metrics: options.metrics };
  const parts = { clock, random, log, signal, ...measured };
  const context: LoopContext = { client, live, informers, ...parts };
  for (const kind of [...controllers.flatMap(kindsOf), ...starters.flatMap(({ kinds }) => kinds)]) {
    informers.of(kind);
  }
  await informers.synced();
  const loops: readonly Loop[] = [
    ...controllers.map((controller) => startControllerLoop(controller, context)),
    ...starters.map((starter) => starter.start(context)),
  ];
  const running = own.move();
  return {
    informers,
    client,
    async idle() {
      while (loops.some(({ queue }) => !queue.isIdle)) {
        await Promise.all(loops.map(({ queue }) => queue.idle()));
      }
    },
    retries: () => loops.flatMap(({ queue }) => queue.retries),
    enqueueAll() {
      for (const loop of loops) loop.enqueueAll();
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.all(loops.map(({ queue }) => queue[Symbol.asyncDispose]()));
      await running.disposeAsync();
    },
  };
}

/** All that it watches. */
export function kindsOf({ kind, owns = [], watches = [] }: AnyController) {
  return [kind, ...owns, ...watches.map((watch) => watch.kind)];
}
