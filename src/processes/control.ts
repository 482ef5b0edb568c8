import path from 'node:path';
import { ChallengeResponder } from '#acme/challenge-responder.ts';
import { startCommandShells } from '#base/command-shells.ts';
import { systemRandom } from '#base/random.ts';
import { startAgent, type Agent, type AgentOptions } from '#agent/agent.ts';
import { pullCredentials } from '#agent/pods/pull-secrets.ts';
import { prepareHost } from '#agent/network/host-network.ts';
import { ensureRanges, type NetworkRanges } from '#agent/network/ranges.ts';
import { startAutoscaler, type Autoscaler } from '#autoscaler/autoscaler.ts';
import { ColdStarts } from '#autoscaler/cold-starts.ts';
import { coldStartHistograms } from '#autoscaler/scale-meter.ts';
import { Informers } from '#client/informers.ts';
import { followSettings, LiveSettings } from '#client/live-settings.ts';
import { coreControllers } from '#controllers/core/core-controllers.ts';
import { servingControllers } from '#controllers/serving/serving-controllers.ts';
import { servingDefaults } from '#controllers/serving/serving-config.ts';
import { NODE_PORTS } from '#agent/network/nft-table.ts';
import { runControllers } from '#reconcile/run-controllers.ts';
import type { Store } from '#store/store.ts';
import { openSqliteStore } from '#store/sqlite/sqlite-store.ts';
import { instanceOf, networkFileOf, pathsOf, type Settings } from '#supervisor/settings.ts';
import type { Metrics } from '#telemetry/metrics.ts';
import { agentAnswers } from './agent-answers.ts';
import { openApi, type Api } from './api.ts';
import { ensureClusterObjects } from './cluster-objects.ts';
import { followLogLevel } from './log-level.ts';
import { localVolumes } from './local-volumes.ts';
import { openContent, type Content } from './content.ts';
import { parsePartFlags } from './part-flags.ts';
import { GATEWAY_PORTS } from './platform-services.ts';
import { runPart, type PartContext } from './run-part.ts';
import { clusterAddresses, openMetrics, tellMetrics } from './telling.ts';

/** `knode run control`: the API, the controllers, the autoscaler, the agent and the registry. */
export async function runControl(home: string, args: readonly string[]): Promise<void> {
  await runPart('control', parsePartFlags(home, args), startControl);
}

/** Pods that are told to stop with the platform have this long, and no longer than their own grace. */
const STOP_PODS_MS = 30_000;

async function startControl(context: PartContext): Promise<AsyncDisposable> {
  const { settings, clock, log, signal, done } = context;
  const parts = { clock, random: systemRandom, log };
  const network = await openNetwork(settings.home);
  const { ranges, apiService, dnsService } = network;
  done('network');
  await using resources = new AsyncDisposableStack();
  resources.use(startCommandShells());
  const store = resources.use(await openStore(context));
  done('store');
  const content = resources.use(await openContent(context));
  const pending = new Set(['agent', 'controllers']);
  let agent: Agent | undefined;
  const coldStarts = new ColdStarts({ startOf: (pod) => agent?.startOf(pod) });
  const live = new LiveSettings();
  const metrics = openMetrics();
  const api = resources.use(
    await openApi({
      ...context,
      store,
      random: systemRandom,
      apiService,
      serviceRange: ranges.services,
      reserved: [apiService, dnsService],
      serving: live.current,
      podFacing: ranges.podFacing,
      readiness: () => [...pending],
      measured: metrics,
      ...agentAnswers(() => agent, {
        coldStarts: () => coldStarts.list(),
        coldStartStages: () => coldStartHistograms(metrics),
        connections: [content.connection],
      }),
    }),
  );
  const { apiPort, registryPort } = settings;
  const addresses = { podFacing: ranges.podFacing, apiPort, registryPort, apiService, dnsService };
  await ensureClusterObjects(api.client, addresses);
  resources.use(await followSettings(live, { ...parts, client: api.client, signal }));
  followLogLevel(context, { live, component: 'controller' });
  await api.serve();
  resources.use(await content.openToPods(api, ranges.podFacing));
  done('api');

  const watched = { coldStarts, metrics, agent: () => agent };
  const autoscaler = resources.use(await openAutoscaler(context, watched));
  // Also while pods are being stopped: they end when everything else has.
  const { signal: never } = new AbortController();
  const informers = resources.use(new Informers({ ...parts, client: api.client, signal: never }));
  const addressOf = clusterAddresses(informers);
  resources.use(
    tellMetrics({ ...context, part: 'control', keys: 'metrics', metrics, live, addressOf }),
  );
  const running = { api, informers, content, autoscaler, network, live, metrics };
  agent = await openAgent(context, running);
  const started = agent;
  resources.defer(async () => {
    // Told to stop, not killed: the pods go with the platform.
    if (signal.aborted) await started.stopAllPods(STOP_PODS_MS);
    await started[Symbol.asyncDispose]();
  });
  pending.delete('agent');
  done('agent');
  resources.use(content.keepCollected(api.client, agent));
  resources.use(await startControllers(context, running));
  pending.delete('controllers');
  done('controllers');
  return resources.move();
}

/** What both the agent and the controllers work with. */
interface Running {
  readonly api: Api;
  readonly informers: Informers;
  readonly content: Content;
  readonly autoscaler: Autoscaler;
  readonly network: Network;
  readonly live: LiveSettings;
  readonly metrics: Metrics;
}

async function openAutoscaler(
  { settings, clock, log }: PartContext,
  {
    coldStarts,
    metrics,
    agent,
  }: { coldStarts: ColdStarts; metrics: Metrics; agent: () => Agent | undefined },
): Promise<Autoscaler> {
  return await startAutoscaler({
    socketPath: pathsOf(settings.home).measurementSocket,
    onColdStart: (coldStart) => coldStarts.add(coldStart),
    startOf: (pod) => agent()?.startOf(pod),
    headStart: { start: (target, onStopped) => agent()?.start(target, onStopped) ?? [] },
    metrics,
    clock,
    log,
  });
}

async function openAgent(
  { settings, clock, log }: PartContext,
  { api, informers, content, autoscaler, network }: Running,
): Promise<Agent> {
  return await startAgent({
    clock,
    random: systemRandom,
    log,
    client: api.client,
    informers,
    images: content.images,
    home: settings.home,
    ranges: network.ranges,
    instance: network.instance,
    nodeName: settings.nodeName,
    ...reachability(settings),
    makeRoom: (stop) => content.makeRoom(stop),
    drain: async ({ namespace, name }, stop) =>
      await autoscaler.drain({ namespace, pod: name }, stop),
  });
}

/** Kubernetes' own and Serving's, on the API in this process. */
async function startControllers(
  { settings, clock, log, signal }: PartContext,
  { api, informers, content, autoscaler, network, live, metrics }: Running,
): Promise<AsyncDisposable> {
  const { podFacing } = network.ranges;
  await using resources = new AsyncDisposableStack();
  const challenges = resources.use(new ChallengeResponder(podFacing));
  const { tcp, udp } = ownPorts(settings);
  const own = [...tcp.map((port) => `TCP/${port}`), ...udp.map((port) => `UDP/${port}`)];
  const loadBalancers = { address: podFacing, ownPorts: new Set(own) };
  const core = coreControllers({
    kinds: api.kinds,
    folders: localVolumes(settings.home),
    caPem: api.authority,
    loadBalancers,
  });
  const serving = servingControllers({
    config: {
      ...servingDefaults,
      publicPort: settings.httpPort,
      publicHttpsPort: settings.httpsPort,
      challenges,
      backend: { address: podFacing, port: GATEWAY_PORTS.backend },
      settings: live.current,
    },
    live,
    autoscaler,
    resolveDigest: async (image, { metadata, spec }, signal) => {
      const puller = { ...spec, namespace: metadata.namespace ?? '' };
      const { credentials } = await pullCredentials(api.client, puller, image);
      return await content.images.resolve(image, { credentials, signal });
    },
    clock,
    metrics,
  });
  const running = await runControllers({
    client: api.client,
    informers,
    controllers: [...core.controllers, ...serving],
    loops: core.loops,
    metrics,
    random: systemRandom,
    clock,
    log,
    signal,
  });
  resources.use(running);
  return resources.move();
}

async function openStore({ settings, acceptLoss, clock, log }: PartContext): Promise<Store> {
  return await openSqliteStore({
    folder: path.join(settings.home, 'store'),
    acceptLoss,
    onLoss: (damages) => log.warn('the store was damaged; this is lost', { damages }),
    clock,
  });
}

interface Network {
  readonly instance: string;
  readonly ranges: NetworkRanges;
  readonly apiService: string;
  readonly dnsService: string;
}

/** The address ranges of this home, and the pod-facing address on this machine, which listeners need. */
async function openNetwork(home: string): Promise<Network> {
  const instance = instanceOf(home);
  const ranges = await ensureRanges(networkFileOf(home), instance);
  await prepareHost(ranges);
  const base = ranges.services.split('.').slice(0, 2).join('.');
  return { instance, ranges, apiService: `${base}.0.1`, dnsService: `${base}.0.10` };
}

function reachability(settings: Settings): Pick<AgentOptions, 'openPorts' | 'ownPorts' | 'listen'> {
  const { listen } = settings;
  return { openPorts: openPorts(settings), ownPorts: ownPorts(settings), listen };
}

/** Where no Service may be: pods and people would no longer reach the platform. Node ports are on loopback too. */
function ownPorts(settings: Settings): { tcp: number[]; udp: number[] } {
  const { tcp, udp } = openPorts(settings);
  const { httpPort, httpsPort } = settings;
  const high = [httpPort, httpsPort].filter((port) => port >= NODE_PORTS.first);
  return { tcp: [...tcp, ...high], udp };
}

/** What pods may reach of this machine. */
function openPorts({ apiPort, registryPort }: Settings): { tcp: number[]; udp: number[] } {
  const gateway = Object.values(GATEWAY_PORTS);
  return { tcp: [53, apiPort, registryPort, ...gateway], udp: [53] };
}
