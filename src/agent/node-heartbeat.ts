import { sleep } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import { Lease } from '#api/coordination-v1/lease.ts';
import { Node } from '#api/core-v1/node.ts';
import { ApiError } from '#api/meta/api-error.ts';
import type { Client } from '#client/client.ts';
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

/** Says of the node how it is, where its object says otherwise. */
export async function reportNode(client: Client, facts: NodeFacts, log: Log): Promise<void> {
  const node = await client.get(Node, { name: facts.name });
  if (!node || !isAsReported(node, facts)) await registerNode(client, facts, log);
}

/** Ready, and with what it is short of; whoever else writes conditions may. */
function isAsReported({ status }: Node, { pressure }: NodeFacts): boolean {
  const wanted = [...pressure.conditions(), { type: 'Ready', status: 'True' }];
  return wanted.every((condition) =>
    status?.conditions?.some(
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
