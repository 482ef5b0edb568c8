import os from 'node:os';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import { Node } from '#api/core-v1/node.ts';
import type { Client } from '#client/client.ts';
import { tellOfNode } from '#agent/node-events.ts';
import type { NodePressure } from '#agent/node-pressure.ts';
import { timestamp } from '#api/meta/timestamp.ts';

export interface NodeFacts {
  readonly name: string;
  /** Where the machine is reached from pods. */
  readonly address: string;
  readonly podRange: string;
  readonly clock: Clock;
  readonly pressure: Pick<NodePressure, 'conditions'> & { look(): Promise<unknown> };
}

/** A /16 has room for more; this bounds what one machine tries. */
const PODS_MAX = 1000;

/** Makes the Node object, or brings it up to date, and tells what is new. Pods are bound to it once it is Ready. */
export async function registerNode(client: Client, facts: NodeFacts, log: Log): Promise<void> {
  const desired = desiredNode(facts);
  const { spec: _spec, status, ...identity } = desired;
  const node = await client.apply(Node, { ...identity, spec: { podCIDR: facts.podRange } });
  const news: string[] = [];
  const conditions = status.conditions.map((condition) => {
    const before = node.status?.conditions?.find(({ type }) => type === condition.type);
    if (before?.status === condition.status) {
      const { lastTransitionTime } = before;
      return { ...condition, ...(lastTransitionTime && { lastTransitionTime }) };
    }
    // Kubernetes' conditions and its events have the same words but for the first.
    if (before) news.push(condition.reason?.replace(/^(Kubelet|Agent)/, 'Node') ?? condition.type);
    return condition;
  });
  await client.updateStatus(Node, { ...node, status: { ...node.status, ...status, conditions } });
  for (const reason of news) {
    const message = `Node ${facts.name} status is now: ${reason}`;
    await tellOfNode({ client, facts, log }, { type: 'Normal', reason, message });
  }
}

function desiredNode({ name, address, podRange, clock, pressure }: NodeFacts) {
  const now = timestamp(clock.now());
  const architecture = os.arch() === 'x64' ? 'amd64' : os.arch();
  const resources = {
    cpu: String(os.availableParallelism()),
    memory: `${Math.floor(os.totalmem() / 1024)}Ki`,
    pods: String(PODS_MAX),
  };
  const labels = {
    'kubernetes.io/hostname': name,
    'kubernetes.io/os': 'linux',
    'kubernetes.io/arch': architecture,
    'node-role.kubernetes.io/control-plane': '',
  };
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels },
    spec: { podCIDR: podRange },
    status: {
      capacity: resources,
      allocatable: resources,
      addresses: [
        { type: 'InternalIP', address },
        { type: 'Hostname', address: name },
      ],
      conditions: [
        ...pressure.conditions(),
        {
          type: 'Ready',
          status: 'True',
          reason: 'AgentReady',
          message: 'the agent runs pods',
          lastHeartbeatTime: now,
          lastTransitionTime: now,
        },
      ],
      nodeInfo: {
        architecture,
        operatingSystem: 'linux',
        kernelVersion: os.release(),
        osImage: os.version(),
        containerRuntimeVersion: 'runc',
        kubeletVersion: 'v1.34.4-knode',
        kubeProxyVersion: '',
        bootID: '',
        machineID: '',
        systemUUID: '',
      },
    },
  };
}
