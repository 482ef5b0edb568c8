import { readFileSync } from 'node:fs';
import type { Clock } from '#base/clock.ts';
import { systemRandom } from '#base/random.ts';
import { ensureRanges } from '#agent/network/ranges.ts';
import { Informers } from '#client/informers.ts';
import { followSettings, LiveSettings } from '#client/live-settings.ts';
import { startDns } from '#dns/dns-server.ts';
import { startGateway } from '#gateway/gateway.ts';
import { endingPodsOf } from '#gateway/route/ending-pods.ts';
import { instanceOf, networkFileOf, pathsOf } from '#supervisor/settings.ts';
import { CLUSTER_DOMAIN } from './cluster-objects.ts';
import { kubeconfigClient } from './foreign-client.ts';
import { followLogLevel } from './log-level.ts';
import { parsePartFlags } from './part-flags.ts';
import { GATEWAY_PORTS, GATEWAY_SERVICES, SYSTEM_NAMESPACE } from './platform-services.ts';
import { runPart, type PartContext } from './run-part.ts';
import { clusterAddresses, openMetrics, tellMetrics } from './telling.ts';
import { watchRequests } from './watch-requests.ts';

/** Requests that are on their way when the gateway is told to stop have this long to end. */
const DRAIN_MS = 30_000;

/** `knode run gateway`: carries requests and answers names. It outlives control, and serves what it last knew. */
export async function runGateway(home: string, args: readonly string[]): Promise<void> {
  await runPart('gateway', parsePartFlags(home, args), startGatewayPart);
}

async function startGatewayPart(context: PartContext): Promise<AsyncDisposable> {
  const { settings, foreign, clock, log, signal, done } = context;
  const { home, httpPort, httpsPort, listen } = settings;
  const paths = pathsOf(home);
  const podFacing =
    foreign?.address ?? (await ensureRanges(networkFileOf(home), instanceOf(home))).podFacing;
  const parts = { clock, random: systemRandom, log };
  await using resources = new AsyncDisposableStack();
  const client = kubeconfigClient(foreign?.kubeconfig ?? paths.gatewayKubeconfig, resources);
  const informers = resources.use(new Informers({ ...parts, client, signal }));
  // Another cluster answers its names itself.
  if (!foreign) {
    resources.use(
      await startDns({
        ...parts,
        informers,
        address: podFacing,
        port: 53,
        clusterDomain: CLUSTER_DOMAIN,
        upstreams: hostResolvers(parts.clock),
      }),
    );
    done('dns');
  }
  const own = ['127.0.0.1', '::1', ...listen];
  const live = new LiveSettings();
  resources.use(followLate(live, { ...parts, client }));
  followLogLevel(context, { live, component: 'activator' });
  const addressOf = clusterAddresses(informers);
  const metrics = openMetrics();
  const telling = { ...context, part: 'gateway', metrics, live, addressOf };
  resources.use(tellMetrics({ ...telling, keys: 'request-metrics' }));
  const watched = watchRequests(telling, resources);
  const gateway = await startGateway({
    ...parts,
    client,
    informers,
    measurementSocketPath: paths.measurementSocket,
    doors: {
      public: { addresses: own, port: httpPort, flag: '--http-port' },
      publicTls: { addresses: own, port: httpsPort, flag: '--https-port' },
      service: { addresses: [podFacing], port: GATEWAY_PORTS.service, flag: '' },
      serviceTls: { addresses: [podFacing], port: GATEWAY_PORTS.serviceTls, flag: '' },
      internal: { addresses: [podFacing], port: GATEWAY_PORTS.internal, flag: '' },
      internalTls: { addresses: [podFacing], port: GATEWAY_PORTS.internalTls, flag: '' },
      backend: { addresses: [podFacing], port: GATEWAY_PORTS.backend, flag: '' },
    },
    publicHost: `${GATEWAY_SERVICES.public}.${SYSTEM_NAMESPACE}.svc.${CLUSTER_DOMAIN}`,
    privateHost: `${GATEWAY_SERVICES.private}.${SYSTEM_NAMESPACE}.svc.${CLUSTER_DOMAIN}`,
    clusterDomain: CLUSTER_DOMAIN,
    metrics,
    ...watched,
    // Here the agent lets pods end only when they are drained; a kubelet has to be told to ask.
    ...(foreign && { endingPods: endingPodsOf(client) }),
  });
  resources.defer(async () => await gateway.close(AbortSignal.timeout(DRAIN_MS)));
  done('gateway');
  return resources.move();
}

/** Settings come when the API answers: nothing that is served waits for them. */
function followLate(
  live: LiveSettings,
  parts: Omit<Parameters<typeof followSettings>[1], 'signal'>,
): AsyncDisposable {
  const stop = new AbortController();
  // It fails only by being ended before the first answer.
  const following = followSettings(live, { ...parts, signal: stop.signal }).catch(() => undefined);
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await (await following)?.[Symbol.asyncDispose]();
    },
  };
}

/** A machine that goes to another network asks other resolvers there. */
const RESOLVERS_KNOWN_MS = 5_000;

/** Of this machine, for names outside the cluster (resolv.conf(5)); looked up again when they may have changed. */
function hostResolvers(clock: Clock): () => readonly string[] {
  let known: readonly string[] = [];
  let readMs = -Infinity;
  return () => {
    if (clock.monotonicMs() - readMs < RESOLVERS_KNOWN_MS) return known;
    readMs = clock.monotonicMs();
    known = readResolvers();
    return known;
  };
}

function readResolvers(): readonly string[] {
  let text: string;
  try {
    text = readFileSync('/etc/resolv.conf', 'utf8');
  } catch {
    return []; // Without one, only the cluster's own names are answered.
  }
  return [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)].map((match) => match[1] ?? '');
}
