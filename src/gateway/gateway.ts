import { sleep, type Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import { onceATurn } from '#base/once-a-turn.ts';
import type { Random } from '#base/random.ts';
import { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import type { Metrics } from '#telemetry/metrics.ts';
import type { Client } from '#client/client.ts';
import type { Informers } from '#client/informers.ts';
import type { Listener } from './connection/listener.ts';
import { type DoorName, type DoorOptions, openDoors } from './doors.ts';
import { IngressPublisher } from './ingress-publisher.ts';
import { IngressStatusWriter } from './ingress-status.ts';
import { MeasurementLink } from './measurement-link.ts';
import { observersOf } from './observe/observers.ts';
import type { RequestLog } from './observe/request-log.ts';
import type { Tracer } from './observe/tracer.ts';
import { DrainRequests } from './route/drain-requests.ts';
import type { EndingPods } from './route/ending-pods.ts';
import { RequestRouter } from './route/request-router.ts';
import { ServiceDirectory } from './route/service-directory.ts';
import { ServingCertificates } from './tls/serving-certificates.ts';

export interface GatewayOptions<Name extends DoorName> {
  /** Writes the statuses of Ingresses, reads the Secrets that they name. */
  readonly client: Pick<Client, 'updateStatus' | 'list' | 'watch'>;
  /** Of Ingresses, Services, EndpointSlices and Revisions; whoever hands them in disposes of them, later than the gateway. */
  readonly informers: Informers;
  /** Where the autoscaler listens; it may come later, and go. */
  readonly measurementSocketPath: string;
  /** Those to be opened. */
  readonly doors: Readonly<Record<Name, DoorOptions>>;
  /** The gateway's Services by their names in the cluster: what Ingress statuses say. */
  readonly publicHost: string;
  readonly privateHost: string;
  readonly clusterDomain: string;
  /** What is asked of the API where containers ask to be drained before they end; absent where they do not. */
  readonly endingPods?: EndingPods;
  /** Where requests are counted and timed; nowhere where absent. */
  readonly metrics?: Metrics;
  /** Where they are logged, and what makes traces of them; nowhere, and nothing, where absent. */
  readonly requestLog?: RequestLog;
  readonly tracer?: Tracer;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface Gateway<Name extends DoorName> extends AsyncDisposable {
  readonly ports: Readonly<Record<Name, number>>;
  /** Accepts no more and resolves when what is on its way has ended, or was cut off because `signal` was aborted. */
  close(signal: AbortSignal): Promise<void>;
}

/** So long the doors stay shut while the routes are being read; after it, what is unknown is answered with 503. */
const SYNC_TIMEOUT_MS = 10_000;

/**
 * Carries requests to pods, holding them while pods start. Knows what it needs by watches and goes on with the last known
 * when the API is away. Throws where a port is taken; disposing cuts off what is on its way.
 */
export async function startGateway<Name extends DoorName>(
  options: GatewayOptions<Name>,
): Promise<Gateway<Name>> {
  const { client, informers, clock, random, log, clusterDomain, publicHost, privateHost } = options;
  const parts = { clock, random, log, metrics: options.metrics };
  await using resources = new AsyncDisposableStack();
  const link = resources.use(
    new MeasurementLink({
      socketPath: options.measurementSocketPath,
      directory: () => directory,
      ...parts,
    }),
  );
  const refresh = onceATurn(() => publishNow());
  const directory: ServiceDirectory = resources.use(
    new ServiceDirectory({
      informers,
      clock,
      random,
      clusterDomain,
      ownHosts: [publicHost, privateHost],
      onDemand: (revision, waiting) => link.demand(revision, waiting),
      onColdStart: (revision, times) => link.coldStart(revision, times),
      onChange: refresh,
      observerOf: observersOf(options),
    }),
  );
  const ingresses = informers.of(Ingress);
  const isSynced = (): boolean => informers.all().every((informer) => informer.isSynced);
  const { endingPods } = options;
  const drains = endingPods && new DrainRequests({ directory, endingPods, host: privateHost });
  const router = new RequestRouter({
    directory,
    random,
    clock,
    clusterDomain,
    isSynced,
    ...(drains && { drains }),
  });
  const writer = resources.use(new IngressStatusWriter({ client, clock, log }));
  const stop = new AbortController();
  resources.defer(() => stop.abort());
  const certificates = resources.use(
    new ServingCertificates({ client, clock, random, log, signal: stop.signal, onChange: refresh }),
  );
  const hosts = { publicHost, privateHost };
  const publisher = new IngressPublisher({ directory, certificates, writer, clock, ...hosts });
  const publishNow = (): void => {
    if (isSynced()) router.table = publisher.publish(ingresses.list());
  };
  resources.use(ingresses.onChange(refresh));
  await inTime(informers.synced(), clock);
  publishNow();
  if (certificates.isFollowed) await inTime(certificates.follow().synced(), clock);
  const listeners = await openDoors({
    ...options,
    resources,
    onRequest: (exchange) => router.route(exchange),
    contextFor: (name, isInternal) => {
      const secret = router.table.secretOf(name, isInternal);
      return secret && certificates.contextOf(secret);
    },
  });
  return running(listeners, resources.move());
}

/** Waits for what is being read, but not for ever. */
async function inTime(read: Promise<void>, clock: Clock): Promise<void> {
  const cancel = new AbortController();
  const late = sleep(clock, SYNC_TIMEOUT_MS, cancel.signal);
  // Cancelled below; that is how it ends where all is read in time.
  late.catch(() => undefined);
  await Promise.race([read, late]);
  cancel.abort();
}

function running<Name extends DoorName>(
  listeners: ReadonlyMap<Name, Listener>,
  resources: AsyncDisposableStack,
): Gateway<Name> {
  const ports = Object.fromEntries(Array.from(listeners, ([name, { port }]) => [name, port]));
  return {
    // Of each door that was asked for one is open.
    ports: ports as Record<Name, number>,
    async close(signal) {
      await Promise.all(Array.from(listeners.values(), (listener) => listener.close(signal)));
      await resources.disposeAsync();
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
