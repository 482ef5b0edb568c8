import type { Place } from '#acme/challenge-responder.ts';
import { Service } from '#api/core-v1/service.ts';
import { EndpointSlice } from '#api/discovery-v1/endpoint-slice.ts';
import { apiVersionOf } from '#api/kind.ts';
import { controllerReference } from '#api/meta/object-meta.ts';
import type { Certificate } from '#api/networking-v1alpha1/certificate.ts';
import type { Context } from '#reconcile/controller.ts';
import { orderRef } from '#controllers/serving/certificate/acme-order.ts';

export const CHALLENGE_PORT = 80;

/** Leads from the namespace of the Certificate, where its Ingress may lead alone, to whoever answers its challenges. */
export async function ensureChallengeService(
  certificate: Certificate,
  { address, port }: Place,
  { client }: Context,
): Promise<void> {
  const ref = orderRef(certificate);
  const metadata = { ...ref, ownerReferences: [controllerReference(certificate)] };
  const name = 'http';
  await client.apply(EndpointSlice, {
    apiVersion: apiVersionOf(EndpointSlice),
    kind: EndpointSlice.kind,
    metadata: { ...metadata, labels: { 'kubernetes.io/service-name': ref.name } },
    addressType: address.includes(':') ? 'IPv6' : 'IPv4',
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
    ports: [{ name, protocol: 'TCP', port }],
  });
  await client.apply(Service, {
    apiVersion: apiVersionOf(Service),
    kind: Service.kind,
    metadata,
    spec: {
      type: 'ClusterIP',
      ports: [{ name, protocol: 'TCP', port: CHALLENGE_PORT }],
    },
  });
}
