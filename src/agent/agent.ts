import { mkdir } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { PreparedCounts } from '#base/prepared-counts.ts';
import type { Random } from '#base/random.ts';
import type { Kind } from '#api/kind.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { ReplicaSet } from '#api/apps-v1/replica-set.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { Service } from '#api/core-v1/service.ts';
import { EndpointSlice } from '#api/discovery-v1/endpoint-slice.ts';
import type { Client } from '#client/client.ts';
import type { Informers } from '#client/informers.ts';
import { selectedObjects } from '#client/selected-objects.ts';
import type { Images } from '#images/image.ts';
import { podAccess, type PodAccess } from '#agent/access/pod-access.ts';
import { adoptSandboxes } from '#agent/adopt.ts';
import type { AgentParts } from '#agent/agent-parts.ts';
import { Gate } from '#base/gate.ts';
import { machineResources } from '#base/machine-resources.ts';
import { limitProcesses } from '#agent/runtime/runc/cgroup.ts';
import { AddressPool } from '#agent/network/address-pool.ts';
import { prepareHost } from '#agent/network/host-network.ts';
import { PodNetwork } from '#agent/network/pod-network.ts';
import type { NetworkRanges } from '#agent/network/ranges.ts';
import type { OpenPorts } from '#agent/network/nft-table.ts';
import { ServiceSync } from '#agent/network/service-sync.ts';
import { runningPods } from '#agent/metrics/running-pods.ts';
import { UsageMeter } from '#agent/metrics/usage-meter.ts';
import { NodeEviction } from '#agent/node-eviction.ts';
import { tellOfNode } from '#agent/node-events.ts';
import { keepHeartbeat, reportNode } from '#agent/node-heartbeat.ts';
import { NodePressure, type Thresholds } from '#agent/node-pressure.ts';
import { registerNode, type NodeFacts } from '#agent/node-object.ts';
import { readSeccompProfile } from '#agent/oci/seccomp.ts';
import { imagesOfPods } from '#agent/pods/pod-record.ts';
import { ConfigWatch } from '#agent/config-watch.ts';
import { PodSet } from '#agent/pods/pod-set.ts';
import { PodStarts, type PodStart } from '#agent/pods/pod-starts.ts';
import { preparedMax } from '#agent/prepared/next-place.ts';
import type { ReservedName, StartingPod, StartTarget } from '#agent/prepared/head-start.ts';
import { PreparedPool } from '#agent/prepared/prepared-pool.ts';
import { chooseRootfsMethod } from '#agent/rootfs.ts';
import { instanceCgroup, openRunc } from '#agent/runtime/runc/runc-runtime.ts';

export interface AgentOptions {
  readonly client: Client;
  /** Shared with whoever else follows the API; whoever hands them in disposes of them, later than the agent. */
  readonly informers: Informers;
  readonly images: Images;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** The state folder; the agent's own is `agent` in it. */
  readonly home: string;
  /** A short name for the home, unique on the machine: 1 to 8 lower-case letters and digits. */
  readonly instance: string;
  readonly nodeName: string;
  /** From `ensureRanges`, which main.ts asks first, because the API server needs them too. */
  readonly ranges: NetworkRanges;
  /** Ports of the pod-facing address that pods may reach. */
  readonly openPorts: OpenPorts;
  /** Ports of this machine that no Service gets; those that pods may reach unless told. */
  readonly ownPorts?: OpenPorts;
  /** Addresses of this machine, beside loopback and the pod-facing one, that have node ports; none unless told. */
  readonly listen?: readonly string[];
  /** `cluster.local` unless told. */
  readonly clusterDomain?: string;
  /** How many prepared sandboxes there are at most; by the machine's memory unless told. */
  readonly preparedMax?: number;
  /** With less than that of the machine available pods are ended. */
  readonly thresholds?: Thresholds;
  /** Frees what nobody needs of the disk, before a pod is ended for want of it. */
  readonly makeRoom?: (signal: AbortSignal) => Promise<void>;
  /** Asks whoever sends requests to let go of a pod that is about to be stopped; at once where absent. */
  readonly drain?: AgentParts['drain'];
}

/** Makes the pods of one node real on this machine. */
export interface Agent extends AsyncDisposable {
  /** A HeadStart: starts prepared sandboxes of a Deployment, before any object says so. */
  start(target: StartTarget, onStopped: (pod: string) => void): readonly StartingPod[];
  prepared(): PreparedCounts;
  /** When one of the pods that were started last began; undefined of others. */
  startOf(pod: { readonly namespace: string; readonly pod: string }): PodStart | undefined;
  /** For the API server's name generator. */
  reservedName(kind: Kind, object: KubeObject): ReservedName | undefined;
  /** What the node and its pods use, as of the last round: for `metrics.k8s.io`. */
  readonly metrics: Pick<UsageMeter, 'pods' | 'nodes'>;
  /** Digests of the images that containers of this machine were made from, prepared and ended ones included. */
  imagesInUse(): Promise<readonly string[]>;
  /** Serves …/pods/{name}/log, exec and their like. */
  readonly access: PodAccess;
  /**
   * Ends every pod within `graceMs`, or its own grace where that is shorter, and removes it from the machine; the objects stay, and the next start makes the pods
   * anew. Disposing without this leaves pods running, for the next process to take over.
   */
  stopAllPods(graceMs: number): Promise<void>;
}

/** At most this many containers are made at once for each core: more only take each other's time. */
const CREATES_PER_CORE = 2;
/** Of the processes the machine can have, pods have at most this share: the platform has to be able to start some too. */
const PODS_PROCESSES_SHARE = 0.8;
/** The same of commands for probes, which take 22 ms of a core each. */
const PROBES_PER_CORE = 2;

/**
 * Takes over what an earlier process left, then follows the API. Throws a sentence that says what to install where runc,
 * conmon, nft, ip or the seccomp profile is missing. Needs root.
 */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  const { client, informers, clock, log, ranges, instance, nodeName, openPorts } = options;
  const stop = new AbortController();
  try {
    const { pods, services, slices, replicaSets } = await follow(informers, nodeName);
    const parts = await openParts(options, (namespace) => services.list(namespace));
    await prepareHost(ranges);
    const { listen = [], ownPorts = openPorts } = options;
    const network = { instance, nodeName, ranges, openPorts, ownPorts, listen, services, slices };
    const rules = new ServiceSync({ ...network, clock, log, signal: stop.signal });
    await rules.start();
    const byUid = new Map(pods.list().map((pod) => [pod.metadata.uid, pod]));
    const cgroup = instanceCgroup(instance);
    const adopted = await adoptSandboxes(parts, { podOf: (uid) => byUid.get(uid), cgroup });
    const { started } = adopted;
    const config = new ConfigWatch(informers);
    const { preparedMax: capacity = preparedMax(os.totalmem()) } = options;
    const preparing = { replicaSets, services, config, started, capacity, signal: stop.signal };
    const pool = new PreparedPool(parts, preparing);
    const podSet = new PodSet({ parts, pods, pool, config, adopted: adopted.pods });
    const tending = await tendNode(options, { parts, podSet, signal: stop.signal });
    const metrics = new UsageMeter({
      runtime: parts.runtime,
      running: () => runningPods(pods.list(), (uid) => podSet.sandboxOf(uid)?.record),
      nodeName,
      clock,
    });
    const measuring = metrics.keep({ log, signal: stop.signal });
    return {
      metrics,
      start: (target, onStopped) => pool.start(target, onStopped),
      prepared: () => pool.counts(),
      startOf: ({ namespace, pod }) => parts.starts.of({ namespace, name: pod }),
      reservedName: (kind, object) => pool.reservedName(kind, object),
      imagesInUse: () => imagesOfPods(parts.podsFolder),
      access: podAccess({
        parts,
        podOf: async (request) => pods.get(request) ?? (await client.get(Pod, request)),
        replicaSetOf: (request) => replicaSets.get(request),
        sandboxOf: ({ metadata }) => podSet.sandboxOf(metadata.uid),
      }),
      async stopAllPods(graceMs) {
        await Promise.all([podSet.endAll(graceMs), pool.discardAll()]);
      },
      async [Symbol.asyncDispose]() {
        await podSet[Symbol.asyncDispose]();
        await pool[Symbol.asyncDispose]();
        config[Symbol.dispose]();
        await rules[Symbol.asyncDispose]();
        stop.abort();
        await Promise.all([tending.left, measuring]);
        await parts.runtime[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    stop.abort();
    throw error;
  }
}

interface TendedNode {
  readonly parts: AgentParts;
  readonly podSet: PodSet;
  readonly signal: AbortSignal;
}

/** Makes the node, says how it is and relieves it until `signal` is aborted; `left` resolves then. */
async function tendNode(
  options: AgentOptions,
  { parts, podSet, signal }: TendedNode,
): Promise<{ readonly left: Promise<unknown> }> {
  const { client, clock, log, makeRoom = () => Promise.resolve() } = options;
  const facts = await boundNode(options, parts.podsFolder);
  await registerNode(client, facts, log);
  const eviction = new NodeEviction({
    pressure: facts.pressure,
    pods: () => podSet.evictable,
    runtime: parts.runtime,
    report: () => reportNode(client, facts, log),
    tell: (event) => tellOfNode({ client, facts, log }, event),
    makeRoom,
    clock,
    log,
  });
  const beating = keepHeartbeat(client, facts, { log, signal });
  return { left: Promise.all([beating, eviction.keep(signal)]) };
}

/** What the agent reads, once it is all there. */
async function follow(informers: Informers, nodeName: string) {
  const kinds = [Pod, Service, EndpointSlice, ReplicaSet, ...ConfigWatch.kinds];
  await Promise.all(kinds.map((kind) => informers.of<KubeObject>(kind).synced()));
  return {
    pods: selectedObjects(informers.of(Pod), ({ spec }) => spec?.nodeName === nodeName),
    services: informers.of(Service),
    slices: informers.of(EndpointSlice),
    replicaSets: informers.of(ReplicaSet),
  };
}

/** Bounds what pods take of the machine, and says what it is. */
async function boundNode(
  { clock, instance, nodeName, ranges, thresholds }: AgentOptions,
  podsFolder: string,
): Promise<NodeFacts & { readonly pressure: NodePressure }> {
  const { processes } = await machineResources(podsFolder);
  const most = Math.floor(processes.total * PODS_PROCESSES_SHARE);
  await limitProcesses(instanceCgroup(instance), most);
  const pressure = new NodePressure({
    clock,
    folder: podsFolder,
    ...(thresholds && { thresholds }),
  });
  await pressure.look();
  const { podFacing: address, pods: podRange } = ranges;
  return { name: nodeName, address, podRange, clock, pressure };
}

async function openParts(
  options: AgentOptions,
  servicesOf: AgentParts['servicesOf'],
): Promise<AgentParts> {
  const { client, images, clock, random, log, ranges, instance, nodeName } = options;
  const folder = path.join(options.home, 'agent');
  const podsFolder = path.join(folder, 'pods');
  await mkdir(podsFolder, { recursive: true, mode: 0o700 });
  const [runtime, seccomp, rootfsMethod] = await Promise.all([
    openRunc({ instance, clock }),
    readSeccompProfile(),
    chooseRootfsMethod(path.join(folder, 'overlay-trial')),
  ]);
  if (rootfsMethod === 'copy')
    log.warn('agent: overlayfs is refused here, so images are copied for every container');
  return {
    client,
    images,
    clock,
    random,
    log,
    runtime,
    seccomp,
    rootfsMethod,
    ranges,
    podsFolder,
    logsFolder: path.join(folder, 'logs'),
    volumesFolder: path.join(options.home, 'volumes'),
    nodeName,
    servicesOf,
    seccompFolder: path.join(options.home, 'seccomp'),
    arch: process.arch,
    network: new PodNetwork(instance, ranges),
    addresses: new AddressPool(ranges.pods, random),
    starts: new PodStarts(clock),
    creates: new Gate(os.availableParallelism() * CREATES_PER_CORE),
    execs: new Gate(os.availableParallelism() * PROBES_PER_CORE),
    clusterDomain: options.clusterDomain ?? 'cluster.local',
    drain: options.drain ?? (() => Promise.resolve()),
  };
}
