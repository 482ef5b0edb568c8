import type { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import type { Exchange } from '../connection/exchange.ts';
import { hashOf } from './ingress-hash.ts';

/** What a prober asks here, rather than a client of what is behind (serving specification §5.1); undefined of a client. */
export function probeOf({ head }: Exchange): string | undefined {
  return head.fields.get('k-network-probe') || undefined;
}

/** Answers for the revision, which then need not run. `ingress` is what the request was routed by. */
export function answerProbe(
  exchange: Exchange,
  { probe, ingress }: { probe: string; ingress: Ingress | undefined },
): void {
  // Upstream's other values are between its activators and queue-proxies, neither of which is here.
  if (probe !== 'probe') {
    exchange.respond(400, `unexpected probe header value: ${probe}`);
    return;
  }
  const asked = exchange.head.fields.get('k-network-hash');
  if (!asked) {
    exchange.respond(400, 'a probe request must contain a non-empty "K-Network-Hash" header');
    return;
  }
  const hash = asked === 'override' && ingress ? hashOf(ingress) : asked;
  exchange.respond(200, '', { 'K-Network-Hash': hash });
}
