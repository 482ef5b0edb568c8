import { sleep } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import { Lease } from '#api/coordination-v1/lease.ts';
import { Node } from '#api/core-v1/node.ts';
import { ApiError } from '#api/meta/api-error.ts';
import type { Client } from '#client/client.ts';
import type { NodeCondition } from '#api/generated/core-v1.ts';
import { tellOfNode } from '#agent/node-events.ts';
import { registerNode, type NodeFacts } from '#agent/node-object.ts';

const NAMESPACE = 'kube-node-lease';
/** Kubernetes' figures: a node that is not heard of for the length of its lease is taken for gone. */
const HEARTBEAT_MS = 10_000;
const LEASE_SECONDS = 40;

/**
 * Says every ten seconds that the node lives, by its Lease, and puts right what was written about it meanwhile: that it is
 * not ready, or that it is no node at all. Says what the machine is short of. Resolves when `signal` is aborted.
 */
export async function keepHeartbeat(
  client: Client,
  facts: NodeFacts,
  { log, signal }: { readonly log: Log; readonly signal: AbortSignal },
): Promise<void> {
  while (!signal.aborted) {
    try {
      await client.apply(Lease, desiredLease(facts));
      await facts.pressure.look();
      await reportNode(client, facts, log);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      log.warn('agent: the node could not be reported alive', { error });
    }
    await sleep(facts.clock, HEARTBEAT_MS, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }
}

/** Says of the node how it is, where its object says otherwise, and tells what is new. */
export async function reportNode(client: Client, facts: NodeFacts, log: Log): Promise<void> {
  const node = await client.get(Node, { name: facts.name });
  const news = node ? unreported(node, facts) : [];
  if (node && news.length === 0) return;
  await registerNode(client, facts);
  for (const { reason = '' } of news) {
    // Kubernetes' conditions and its events have the same words but for the first.
    const word = reason.replace(/^Kubelet/, 'Node');
    const message = `Node ${facts.name} status is now: ${word}`;
    await tellOfNode({ client, facts, log }, { type: 'Normal', reason: word, message });
  }
}

/** What is to be said of it and is not: that it is ready, and what it is short of. Whoever else writes conditions may. */
function unreported({ status }: Node, { pressure }: NodeFacts): readonly NodeCondition[] {
  const wanted = [
    ...pressure.conditions(),
    { type: 'Ready', status: 'True', reason: 'KubeletReady' },
  ];
  return wanted.filter(
    (condition) =>
      !status?.conditions?.some(
        (known) => known.type === condition.type && known.status === condition.status,
      ),
  );
}

function desiredLease({ name, clock }: NodeFacts): Lease {
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name, namespace: NAMESPACE },
    spec: {
      holderIdentity: name,
      leaseDurationSeconds: LEASE_SECONDS,
      // A MicroTime, whose last digits nobody measures here.
      renewTime: clock.now().toISOString().replace('Z', '000Z'),
    },
  };
}
