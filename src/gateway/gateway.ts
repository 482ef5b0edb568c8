import { sleep, type Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import type { Client } from '#client/client.ts';
import type { Informers } from '#client/informers.ts';
import type { Door } from './connection/exchange.ts';
import { Listener } from './connection/listener.ts';
import { ReadAhead } from './connection/read-ahead.ts';
import { type IngressFacts, ingressStatus, IngressStatusWriter } from './ingress-status.ts';
import { MeasurementLink } from './measurement-link.ts';
import { DrainRequests } from './route/drain-requests.ts';
import type { EndingPods } from './route/ending-pods.ts';
import { RequestRouter } from './route/request-router.ts';
import { buildRouteTable, isOurs, keyOf, type RouteMemory } from './route/route-table.ts';
import { ServiceDirectory } from './route/service-directory.ts';

interface DoorOptions {
  /** All on one port; those that the machine does not have are left out. */
  readonly addresses: readonly string[];
  /** 0: any free one. */
  readonly port: number;
  /** The flag that chooses the port, for the error where it is taken; empty where none does. */
  readonly flag: string;
}

export interface GatewayOptions {
  /** Writes the statuses of Ingresses. */
  readonly client: Pick<Client, 'updateStatus'>;
  /** Of Ingresses, Services, EndpointSlices and Revisions; whoever hands them in disposes of them, later than the gateway. */
  readonly informers: Informers;
  /** Where the autoscaler listens; it may come later, and go. */
  readonly measurementSocketPath: string;
  /** public: for the world; internal: for pods, cluster-local hosts too; backend: believes who asks. */
  readonly doors: Readonly<Record<Door, DoorOptions>>;
  /** The gateway's Services by their names in the cluster: what Ingress statuses say. */
  readonly publicHost: string;
  readonly privateHost: string;
  readonly clusterDomain: string;
  /** What is asked of the API where containers ask to be drained before they end; absent where they do not. */
  readonly endingPods?: EndingPods;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface Gateway extends AsyncDisposable {
  readonly ports: Readonly<Record<Door, number>>;
  /** Accepts no more and resolves when what is on its way has ended, or was cut off because `signal` was aborted. */
  close(signal: AbortSignal): Promise<void>;
}

/** So long the doors stay shut while the routes are being read; after it, what is unknown is answered with 503. */
const SYNC_TIMEOUT_MS = 10_000;
const READ_AHEAD = { bytesMaxEach: 64 * 1024, bytesMax: 128 * 1024 * 1024 };

/**
 * Carries requests to pods, holding them while pods start. Knows what it needs by watches and goes on with the last known
 * when the API is away. Throws where a port is taken; disposing cuts off what is on its way.
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { client, informers, clock, random, log, clusterDomain, publicHost, privateHost } = options;
  await using resources = new AsyncDisposableStack();
  const link = resources.use(
    new MeasurementLink({
      socketPath: options.measurementSocketPath,
      directory: () => directory,
      clock,
      random,
      log,
    }),
  );
  const refresh = coalesced(() => publishNow());
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
    }),
  );
  const ingresses = informers.of(Ingress);
  const isSynced = (): boolean => informers.all().every((informer) => informer.isSynced);
  const { endingPods } = options;
  const drains = endingPods && new DrainRequests({ directory, endingPods, host: privateHost });
  const router = new RequestRouter({
    directory,
    random,
    clusterDomain,
    isSynced,
    ...(drains && { drains }),
  });
  const writer = resources.use(new IngressStatusWriter({ client, clock, log }));
  const memory: RouteMemory = new WeakMap();
  const told: Told = new WeakMap();
  const publishNow = (): void => {
    if (!isSynced()) return;
    const all = ingresses.list();
    router.table = buildRouteTable(all, memory);
    publish(all, { router, directory, writer, told, publicHost, privateHost, now: clock.now() });
  };
  resources.use(ingresses.onChange(refresh));
  await syncedOrLate(informers, clock);
  publishNow();
  const listeners = await openDoors(options, { router, resources });
  return running(listeners, resources.move());
}

/** Runs once after all the changes that come together. */
function coalesced(run: () => void): () => void {
  let isDue = false;
  return () => {
    if (isDue) return;
    isDue = true;
    queueMicrotask(() => {
      isDue = false;
      run();
    });
  };
}

/** What was last said of each version of an Ingress: there are many beside the one that changed. */
type Told = WeakMap<Ingress, string>;

function publish(
  ingresses: readonly Ingress[],
  parts: Pick<IngressFacts, 'publicHost' | 'privateHost' | 'now'> & {
    router: RequestRouter;
    directory: ServiceDirectory;
    writer: IngressStatusWriter;
    told: Told;
  },
): void {
  const { router, directory, writer, told, publicHost, privateHost, now } = parts;
  for (const ingress of ingresses.filter(isOurs)) {
    const rejection = router.table.rejected.get(keyOf(ingress));
    const missingService = firstMissing(ingress, directory);
    const news = JSON.stringify([rejection, missingService]);
    if (told.get(ingress) === news) continue;
    told.set(ingress, news);
    const facts = { publicHost, privateHost, now, rejection, missingService };
    writer.want(ingress, ingressStatus(ingress, facts));
  }
}

function firstMissing(ingress: Ingress, directory: ServiceDirectory): string | undefined {
  const paths = (ingress.spec.rules ?? []).flatMap((rule) => rule.http?.paths ?? []);
  for (const { serviceNamespace, serviceName, servicePort } of paths.flatMap(
    (path) => path.splits,
  )) {
    const port = { namespace: serviceNamespace, service: serviceName, port: servicePort };
    if (!directory.find(port)) return `${serviceNamespace}/${serviceName}`;
  }
  return undefined;
}

async function syncedOrLate(informers: Informers, clock: Clock): Promise<void> {
  const cancel = new AbortController();
  const late = sleep(clock, SYNC_TIMEOUT_MS, cancel.signal);
  // Cancelled below; that is how it ends where the routes come in time.
  late.catch(() => undefined);
  await Promise.race([informers.synced(), late]);
  cancel.abort();
}

async function openDoors(
  options: GatewayOptions,
  { router, resources }: { router: RequestRouter; resources: AsyncDisposableStack },
): Promise<Record<Door, Listener>> {
  const { clock, log, doors } = options;
  const readAhead = new ReadAhead(READ_AHEAD);
  const open = async (door: Door): Promise<Listener> =>
    resources.use(
      await Listener.open({
        door,
        ...doors[door],
        readAhead,
        clock,
        log,
        onRequest: (exchange) => router.route(exchange),
      }),
    );
  return {
    public: await open('public'),
    internal: await open('internal'),
    backend: await open('backend'),
  };
}

function running(listeners: Record<Door, Listener>, resources: AsyncDisposableStack): Gateway {
  return {
    ports: {
      public: listeners.public.port,
      internal: listeners.internal.port,
      backend: listeners.backend.port,
    },
    async close(signal) {
      await Promise.all(Object.values(listeners).map((listener) => listener.close(signal)));
      await resources.disposeAsync();
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
