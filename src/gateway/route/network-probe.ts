import type { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import type { Exchange } from '../connection/exchange.ts';
import { hashOf } from './ingress-hash.ts';

/** Whether a prober asks what is served here, rather than a client for what is behind (serving specification §5.1). */
export function isProbe({ head }: Exchange): boolean {
  return head.fields.get('k-network-probe') === 'probe';
}

/** Answers for the revision, which then need not run. `ingress` is what the request was routed by. */
export function answerProbe(exchange: Exchange, ingress: Ingress | undefined): void {
  const asked = exchange.head.fields.get('k-network-hash');
  if (!asked) {
    exchange.respond(400, 'a probe request must contain a non-empty "K-Network-Hash" header');
    return;
  }
  const hash = asked === 'override' && ingress ? hashOf(ingress) : asked;
  exchange.respond(200, '', { 'K-Network-Hash': hash });
}
