import { isIPv6 } from 'node:net';
import { Endpoints } from '#api/core-v1/endpoints.ts';
import { Service } from '#api/core-v1/service.ts';
import { EndpointSlice } from '#api/discovery-v1/endpoint-slice.ts';
import { controllerReference } from '#api/meta/object-meta.ts';
import {
  hasOwnEndpoints,
  MANAGED_BY,
  SERVICE_NAME,
} from '#controllers/core/endpoint-slice/desired-endpoint-slices.ts';
import { publishSlices } from '#controllers/core/endpoint-slice/publish-slices.ts';
import { defineController, keyOf, on } from '#reconcile/controller.ts';

const MANAGER = 'endpointslicemirroring-controller.k8s.io';
const SKIP = 'endpointslice.kubernetes.io/skip-mirror';
/** Kubernetes' figure, for each subset. */
const ENDPOINTS_MAX = 1000;

type Subset = NonNullable<Endpoints['subsets']>[number];
type Address = NonNullable<Subset['addresses']>[number];

/** Says in EndpointSlices, which alone are followed, what somebody wrote by hand into a Service's Endpoints. */
export const mirroredSlicesController = defineController<Endpoints>({
  kind: Endpoints,
  owns: [EndpointSlice],
  watches: [on(Service, (service) => [keyOf(service)])],
  async reconcile(endpoints, { client }) {
    const { namespace = '', name = '', uid = '' } = endpoints.metadata;
    const service = await client.get(Service, { namespace, name });
    const isMirrored =
      service !== undefined &&
      !hasOwnEndpoints(service) &&
      endpoints.metadata.labels?.[SKIP] !== 'true';
    const desired = isMirrored ? desiredSlices(endpoints) : [];
    await publishSlices(client, { namespace, uid, manager: MANAGER }, desired);
    return {};
  },
});

function desiredSlices(endpoints: Endpoints): EndpointSlice[] {
  const { name = '', namespace, labels, annotations } = endpoints.metadata;
  const families = (endpoints.subsets ?? []).flatMap((subset) =>
    (['IPv4', 'IPv6'] as const).map((family) => ({ subset, family })),
  );
  return families.flatMap(({ subset, family }, at) => {
    const listed = [
      ...addressesOf(subset.addresses, family).map((one) => endpointOf(one, true)),
      ...addressesOf(subset.notReadyAddresses, family).map((one) => endpointOf(one, false)),
    ].slice(0, ENDPOINTS_MAX);
    if (listed.length === 0) return [];
    return [
      {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: {
          name: `${name}-mirrored-${at}`,
          ...(namespace !== undefined && { namespace }),
          labels: { ...labels, [SERVICE_NAME]: name, [MANAGED_BY]: MANAGER },
          ...(annotations && { annotations: ownAnnotations(annotations) }),
          ownerReferences: [controllerReference(endpoints)],
        },
        addressType: family,
        endpoints: listed,
        ports: (subset.ports ?? []).map(({ name: port = '', ...rest }) => ({
          name: port,
          ...rest,
        })),
      },
    ];
  });
}

/** Those of the Endpoints alone: what kubectl last applied, and when a pod last changed, is not of the slice. */
const NOT_MIRRORED = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  'endpoints.kubernetes.io/last-change-trigger-time',
]);

function ownAnnotations(annotations: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(annotations).filter(([key]) => !NOT_MIRRORED.has(key)));
}

function addressesOf(addresses: Subset['addresses'], family: 'IPv4' | 'IPv6'): Address[] {
  return (addresses ?? []).filter(({ ip }) => isIPv6(ip) === (family === 'IPv6'));
}

function endpointOf(
  { ip, hostname, nodeName, targetRef }: Address,
  ready: boolean,
): EndpointSlice['endpoints'][number] {
  return {
    addresses: [ip],
    conditions: { ready },
    ...(hostname !== undefined && { hostname }),
    ...(nodeName !== undefined && { nodeName }),
    ...(targetRef && { targetRef }),
  };
}
