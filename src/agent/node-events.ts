import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Client } from '#client/client.ts';
import { recordEvent, type EventText } from '#reconcile/record-event.ts';

interface Teller {
  readonly client: Client;
  readonly facts: { readonly name: string; readonly clock: Clock };
  readonly log: Log;
}

/** Tells of the node what `kubectl describe node` shows. Never fails, as `recordEvent`. */
export async function tellOfNode(
  { client, facts: { name, clock }, log }: Teller,
  event: Pick<EventText, 'type' | 'reason' | 'message'>,
): Promise<void> {
  // Kubernetes' agents tell of a node by its name, also where an object has its uid, and clients look for that.
  const node = { apiVersion: 'v1', kind: 'Node', metadata: { name, uid: name } };
  await recordEvent({ client, clock, log }, node, { ...event, component: 'kubelet', host: name });
}
