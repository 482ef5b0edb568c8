import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { systemClock } from '#base/clock.ts';
import { jsonLog, silentLog } from '#base/log.ts';
import { systemRandom } from '#base/random.ts';
import { Pod } from '#api/core-v1/pod.ts';
import type { PodSpec } from '#api/generated/core-v1.ts';
import { limitRanger } from '#apiserver/admission/limit-ranger.ts';
import { resourceQuotas } from '#apiserver/admission/resource-quotas.ts';
import type { Client } from '#client/client.ts';
import { Informers } from '#client/informers.ts';
import { startAgent, type Agent, type AgentOptions } from '#agent/agent.ts';
import { ensureRanges, type NetworkRanges } from '#agent/network/ranges.ts';
import { removeAgent } from '#agent/remove-agent.ts';
import { removeMounted } from '#agent/rootfs.ts';
import { ImageError, type Images } from '#images/image.ts';
import { startCluster, type Cluster } from '#test/support/cluster.ts';
import { imageOf, nodeLayer } from '#test/support/node-image.ts';

/** The image every bed has: a Node, and nothing else. */
export const NODE_IMAGE = 'test/node:1';
const NODE_NAME = 'bed';

/** A cluster in this process and an agent that runs its pods on this machine. */
export interface AgentBed extends AsyncDisposable {
  readonly cluster: Cluster;
  readonly ranges: NetworkRanges;
  readonly home: string;
  /** What every trace of the bed on the machine has in its name. */
  readonly instance: string;
  readonly agent: Agent;
  /** Ends the agent as a killed process would, its pods left running, and starts another; does `meanwhile` between the two. */
  restart(meanwhile?: () => Promise<void>): Promise<void>;
  createPod(name: string, spec: PodSpec): Promise<Pod>;
  /** Resolves with the pod once `isTrue` of it. */
  podOnce(name: string, isTrue: (pod: Pod) => boolean): Promise<Pod>;
  /** Resolves once there is no such pod. */
  podGone(name: string): Promise<void>;
}

const WAIT_MS = 30_000;

export async function startAgentBed(
  options: Partial<Pick<AgentOptions, 'drain' | 'preparedMax' | 'thresholds' | 'images'>> & {
    readonly isLoud?: boolean;
    /** What the agent's own requests go through. */
    readonly through?: (client: Client) => Client;
  } = {},
): Promise<AgentBed> {
  const home = await mkdtemp(path.join(tmpdir(), 'knode-agent-'));
  const instance = path.basename(home).slice(-6).toLowerCase();
  const layer = await nodeLayer(path.join(home, 'layer'));
  await mkdir(path.join(layer, 'tmp'), { recursive: true });
  const ranges = await ensureRanges(path.join(home, 'network.json'), instance);
  const state: { agent?: Agent } = {};
  const cluster = await startCluster({
    clock: systemClock,
    admission: (store, kinds) => [limitRanger(store), resourceQuotas(store, kinds)],
    server: {
      generateName: (kind, object) => state.agent?.reservedName(kind, object),
      services: { range: ranges.services },
    },
  });
  const log = options.isLoud
    ? jsonLog((line) => process.stderr.write(line), systemClock)
    : silentLog;
  const { client } = cluster;
  const through = options.through ?? ((direct) => direct);
  const base = {
    client: through(client),
    clock: systemClock,
    random: systemRandom,
    log,
    home,
    instance,
    ranges,
  };
  const end = new AbortController();
  const informers = new Informers({ ...base, signal: end.signal });
  const open = (): Promise<Agent> =>
    startAgent({
      ...base,
      informers,
      images: options.images ?? imagesWith(layer),
      nodeName: NODE_NAME,
      openPorts: { tcp: [], udp: [] },
      ...options,
    });
  state.agent = await open();
  const informer = informers.of(Pod);
  const required = (): Agent => {
    if (!state.agent) throw new Error('the bed has no agent');
    return state.agent;
  };
  return {
    cluster,
    ranges,
    home,
    instance,
    get agent() {
      return required();
    },
    async restart(meanwhile) {
      await required()[Symbol.asyncDispose]();
      await meanwhile?.();
      state.agent = await open();
    },
    createPod: (name, spec) =>
      client.create(Pod, {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name, namespace: 'default' },
        spec: { nodeName: NODE_NAME, ...spec },
      }),
    async podOnce(name, isTrue) {
      const found = (): Pod | undefined => {
        const pod = informer.get({ namespace: 'default', name });
        return pod && isTrue(pod) ? pod : undefined;
      };
      await informer.until(() => found() !== undefined, WAIT_MS);
      const pod = found();
      if (pod) return pod;
      const last = informer.get({ namespace: 'default', name });
      throw new Error(
        `pod ${name} did not get there: ${JSON.stringify(last?.status, undefined, 1)}`,
      );
    },
    async podGone(name) {
      const isGone = (): boolean => informer.get({ namespace: 'default', name }) === undefined;
      if (!(await informer.until(isGone, WAIT_MS))) throw new Error(`pod ${name} did not go`);
    },
    async [Symbol.asyncDispose]() {
      await required().stopAllPods(0);
      await required()[Symbol.asyncDispose]();
      end.abort();
      await informers[Symbol.asyncDispose]();
      await cluster[Symbol.asyncDispose]();
      await removeAgent({ home, instance, ranges, clock: systemClock });
      await removeMounted(home);
    },
  };
}

function imagesWith(layer: string): Images {
  const image = imageOf(layer, { Entrypoint: ['/bin/node'], Env: ['FROM_IMAGE=yes'] });
  const find = async (reference: string): Promise<typeof image | undefined> =>
    reference === NODE_IMAGE ? image : undefined;
  const pull = async (reference: string): Promise<typeof image> => {
    if (reference === NODE_IMAGE) return image;
    throw new ImageError('NotFound', `${reference}: not found`);
  };
  return { find, pull, resolve: async (reference) => (await pull(reference)).digest };
}

export function isReady(pod: Pod): boolean {
  return (
    pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ??
    false
  );
}
