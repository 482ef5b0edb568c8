import type { Endpoints } from '#api/core-v1/endpoints.ts';
import type { Service } from '#api/core-v1/service.ts';
import type { EndpointSlice } from '#api/discovery-v1/endpoint-slice.ts';
import { controllerReference } from '#api/meta/object-meta.ts';

type Subset = NonNullable<Endpoints['subsets']>[number];
type Address = NonNullable<Subset['addresses']>[number];

const MANAGED_BY = 'endpoints.kubernetes.io/managed-by';
const HEADLESS = 'service.kubernetes.io/headless';
const OVER_CAPACITY = 'endpoints.kubernetes.io/over-capacity';
/** Kubernetes' figure: clients of this old kind get no more. */
const ADDRESSES_MAX = 1000;

/** What a Service's EndpointSlices say, in the words of the older kind. */
export function desiredEndpoints(service: Service, slices: readonly EndpointSlice[]): Endpoints {
  const { name = '', namespace, labels } = service.metadata;
  const subsets = slices.flatMap(subsetOf);
  const isOver = slices.flatMap(({ endpoints }) => endpoints).length > ADDRESSES_MAX;
  return {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: {
      name,
      ...(namespace !== undefined && { namespace }),
      labels: {
        ...labels,
        [MANAGED_BY]: 'endpoint-controller',
        ...(service.spec?.clusterIP === 'None' && { [HEADLESS]: '' }),
      },
      ...(isOver && { annotations: { [OVER_CAPACITY]: 'truncated' } }),
      ownerReferences: [controllerReference(service)],
    },
    subsets: isOver ? truncated(subsets) : subsets,
  };
}

function subsetOf({ endpoints, ports = [] }: EndpointSlice): Subset[] {
  if (endpoints.length === 0) return [];
  const ready = endpoints.filter(({ conditions }) => conditions?.ready === true).map(addressOf);
  // One that is going is no longer anybody's endpoint; slices alone tell of it.
  const notReady = endpoints
    .filter(({ conditions }) => conditions?.ready !== true && conditions?.terminating !== true)
    .map(addressOf);
  if (ready.length + notReady.length === 0) return [];
  return [
    {
      ...(ready.length > 0 && { addresses: ready }),
      ...(notReady.length > 0 && { notReadyAddresses: notReady }),
      ...(ports.length > 0 && {
        ports: ports.map(({ name, port = 0, protocol, appProtocol }) => ({
          ...(name && { name }),
          port,
          ...(protocol !== undefined && { protocol }),
          ...(appProtocol !== undefined && { appProtocol }),
        })),
      }),
    },
  ];
}

function addressOf(endpoint: EndpointSlice['endpoints'][number]): Address {
  const { addresses, nodeName, hostname, targetRef } = endpoint;
  return {
    ip: addresses?.[0] ?? '',
    ...(hostname !== undefined && { hostname }),
    ...(nodeName !== undefined && { nodeName }),
    ...(targetRef && { targetRef }),
  };
}

/** Ready ones first: they are of use. */
function truncated(subsets: readonly Subset[]): Subset[] {
  let room = ADDRESSES_MAX;
  const take = (addresses: Address[] | undefined): Address[] => {
    const taken = (addresses ?? []).slice(0, room);
    room -= taken.length;
    return taken;
  };
  const ready = subsets.map(({ addresses }) => take(addresses));
  return subsets.map(({ ports, notReadyAddresses }, at) => {
    const addresses = ready[at] ?? [];
    const others = take(notReadyAddresses);
    return {
      ...(addresses.length > 0 && { addresses }),
      ...(others.length > 0 && { notReadyAddresses: others }),
      ...(ports && { ports }),
    };
  });
}
