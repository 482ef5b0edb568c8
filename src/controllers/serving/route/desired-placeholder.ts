import { Service } from '#api/core-v1/service.ts';
import { apiVersionOf } from '#api/kind.ts';
import { controllerReference } from '#api/meta/object-meta.ts';
import type { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import { networkingKeys } from '#api/networking-v1alpha1/networking-keys.ts';
import type { Route } from '#api/serving-v1/route.ts';
import { LAST_APPLIED, servingKeys } from '#api/serving-v1/serving-keys.ts';
import { placeOf, without } from '#controllers/serving/ensure-owned.ts';

/** The Service that gives a Route, or one of its tags, its name inside the cluster, `host`. */
export function desiredPlaceholder(
  route: Route,
  { host, gateway }: { readonly host: string; readonly gateway: string },
): Service {
  const { name, namespace } = placeOf(route.metadata);
  return {
    apiVersion: apiVersionOf(Service),
    kind: Service.kind,
    metadata: {
      name: host,
      namespace,
      labels: {
        // The user's label on this very Service says more than the Route's.
        ...without(route.metadata.labels, [networkingKeys.visibility]),
        [servingKeys.route]: name,
      },
      annotations: without(route.metadata.annotations, [LAST_APPLIED]),
      ownerReferences: [controllerReference(route)],
    },
    spec: {
      type: 'ExternalName',
      externalName: gateway,
      ports: [
        {
          name: 'http2',
          protocol: 'TCP',
          appProtocol: 'kubernetes.io/h2c',
          port: 80,
          targetPort: 80,
        },
      ],
    },
  };
}

/** Where the cluster reaches whoever serves the Ingress; `otherwise` until that has said so. */
export function gatewayOf(ingress: Ingress, otherwise: string): string {
  const { privateLoadBalancer, publicLoadBalancer } = ingress.status ?? {};
  const [found] = (privateLoadBalancer ?? publicLoadBalancer)?.ingress ?? [];
  return found?.domainInternal ?? found?.domain ?? otherwise;
}
