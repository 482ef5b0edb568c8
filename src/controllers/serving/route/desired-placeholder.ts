import { Endpoints } from '#api/core-v1/endpoints.ts';
import { Service } from '#api/core-v1/service.ts';
import { apiVersionOf } from '#api/kind.ts';
import { controllerReference, type ObjectMeta } from '#api/meta/object-meta.ts';
import type { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import { networkingKeys } from '#api/networking-v1alpha1/networking-keys.ts';
import type { Route } from '#api/serving-v1/route.ts';
import { LAST_APPLIED, servingKeys } from '#api/serving-v1/serving-keys.ts';
import { placeOf, without } from '#controllers/serving/ensure-owned.ts';

/** How the cluster reaches whoever serves an Ingress. */
export type Balancer =
  | { readonly type: 'address'; readonly address: string }
  | { readonly type: 'name'; readonly name: string }
  /** There is no place: a mesh takes what is sent to the name. */
  | { readonly type: 'mesh' };

/** Undefined where the Ingress' status names none, or several: of these nobody says which (upstream's rule). */
export function balancerOf(
  { status }: Ingress,
  { isPrivate }: { readonly isPrivate: boolean },
): Balancer | undefined {
  const { privateLoadBalancer, publicLoadBalancer } = status ?? {};
  const inside = privateLoadBalancer?.ingress ?? [];
  const all = inside.length > 0 || isPrivate ? inside : (publicLoadBalancer?.ingress ?? []);
  const [found, another] = all;
  if (!found || another) return undefined;
  if (found.ip) return { type: 'address', address: found.ip };
  const name = found.domainInternal || found.domain;
  if (name) return { type: 'name', name };
  return found.meshOnly ? { type: 'mesh' } : undefined;
}

/** To clients within the cluster the gateway speaks both; the name says so to gateways of others. */
const PORT = {
  name: 'http2',
  protocol: 'TCP',
  appProtocol: 'kubernetes.io/h2c',
  port: 80,
} as const;

/** The Service that gives a Route, or one of its tags, its name inside the cluster, `host`. Without a balancer where it leads is left out. */
export function desiredPlaceholder(
  route: Route,
  { host, balancer }: { readonly host: string; readonly balancer: Balancer | undefined },
): Service {
  return {
    apiVersion: apiVersionOf(Service),
    kind: Service.kind,
    metadata: metadataOf(route, host),
    ...(balancer && { spec: specOf(balancer) }),
  };
}

/** Of a placeholder that leads to an address: what its Service, which has no selector, stands for. */
export function desiredEndpoints(
  route: Route,
  { host, address }: { readonly host: string; readonly address: string },
): Endpoints {
  return {
    apiVersion: apiVersionOf(Endpoints),
    kind: Endpoints.kind,
    metadata: metadataOf(route, host),
    subsets: [{ addresses: [{ ip: address }], ports: [PORT] }],
  };
}

function specOf(balancer: Balancer): NonNullable<Service['spec']> {
  const ports = [{ ...PORT, targetPort: 80 }];
  switch (balancer.type) {
    case 'address':
      return { type: 'ClusterIP', clusterIP: 'None', ports };
    case 'name':
      return { type: 'ExternalName', externalName: balancer.name, ports };
    case 'mesh':
      return { type: 'ClusterIP', ports: [{ name: 'http', protocol: 'TCP', port: 80 }] };
  }
}

function metadataOf(route: Route, host: string): ObjectMeta {
  const { name, namespace } = placeOf(route.metadata);
  return {
    name: host,
    namespace,
    labels: {
      // The user's label on this very Service says more than the Route's.
      ...without(route.metadata.labels, [networkingKeys.visibility]),
      [servingKeys.route]: name,
    },
    annotations: without(route.metadata.annotations, [LAST_APPLIED]),
    ownerReferences: [controllerReference(route)],
  };
}
