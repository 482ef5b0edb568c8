import type { Pod } from '#api/core-v1/pod.ts';
import type { Service } from '#api/core-v1/service.ts';
import type { EndpointSlice } from '#api/discovery-v1/endpoint-slice.ts';
import { controllerReference } from '#api/meta/object-meta.ts';
import { isEnded, isReady } from '#controllers/core/pod-state.ts';

type Endpoint = EndpointSlice['endpoints'][number];
type Port = NonNullable<EndpointSlice['ports']>[number];
type ServicePort = NonNullable<NonNullable<Service['spec']>['ports']>[number];

/** Upstream's figure: a change of one pod rewrites one slice, whose size this bounds. */
const ENDPOINTS_MAX = 100;

export const SERVICE_NAME = 'kubernetes.io/service-name';
export const MANAGED_BY = 'endpointslice.kubernetes.io/managed-by';
export const MANAGER = 'endpointslice-controller.k8s.io';
const HEADLESS = 'service.kubernetes.io/headless';

/** True where the endpoints of a Service are ours to write: it has a selector, and is not only a name for another host. */
export function hasOwnEndpoints({ spec }: Service): boolean {
  return spec?.type !== 'ExternalName' && Object.keys(spec?.selector ?? {}).length > 0;
}

/**
 * The slices of a Service over `pods`, all of which it selects: one for each set of port numbers (a named target port may
 * be another number in each pod) and each hundred endpoints; one empty slice where there are none. The same pods give the
 * same slices in any order.
 */
export function desiredEndpointSlices(
  service: Service,
  pods: readonly Pod[],
): readonly EndpointSlice[] {
  const listed = pods
    .filter((pod) => pod.status?.podIP && !isEnded(pod))
    .toSorted((a, b) => (ageOf(a) < ageOf(b) ? -1 : 1));
  const byPorts = Map.groupBy(listed, (pod) => JSON.stringify(portsOf(service, pod)));
  const groups = [...byPorts]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([ports, members]) => chunks(members).map((chunk) => ({ ports, chunk })));
  const all = groups.length > 0 ? groups : [{ ports: '[]', chunk: [] }];
  return all.map(({ ports, chunk }, at) => ({
    ...sliceMeta(service, at),
    addressType: 'IPv4',
    // Written by portsOf, just above.
    ports: JSON.parse(ports) as Port[],
    endpoints: chunk.map((pod) => endpointOf(service, pod)),
  }));
}

function sliceMeta(
  service: Service,
  at: number,
): Pick<EndpointSlice, 'apiVersion' | 'kind' | 'metadata'> {
  const { name = '', namespace, labels } = service.metadata;
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${name}-${at}`,
      ...(namespace !== undefined && { namespace }),
      labels: {
        ...labels,
        [SERVICE_NAME]: name,
        [MANAGED_BY]: MANAGER,
        ...(service.spec?.clusterIP === 'None' && { [HEADLESS]: '' }),
      },
      ownerReferences: [controllerReference(service)],
    },
  };
}

function endpointOf(service: Service, pod: Pod): Endpoint {
  const { name, namespace, uid, deletionTimestamp } = pod.metadata;
  const serving = isReady(pod);
  const terminating = deletionTimestamp !== undefined;
  const ready = service.spec?.publishNotReadyAddresses === true || (serving && !terminating);
  const { nodeName, hostname, subdomain } = pod.spec ?? {};
  const hasName = hostname !== undefined && subdomain === service.metadata.name;
  return {
    addresses: [pod.status?.podIP ?? ''],
    conditions: { ready, serving, terminating },
    ...(hasName && { hostname }),
    ...(nodeName !== undefined && { nodeName }),
    targetRef: {
      kind: 'Pod',
      ...(namespace !== undefined && { namespace }),
      ...(name !== undefined && { name }),
      ...(uid !== undefined && { uid }),
    },
  };
}

/** The Service's ports as this pod has them; one whose name the pod does not know is left out. */
function portsOf(service: Service, pod: Pod): Port[] {
  return (service.spec?.ports ?? []).flatMap((port) => {
    const number = targetPort(port, pod);
    if (number === undefined) return [];
    const { name = '', protocol = 'TCP', appProtocol } = port;
    return [{ name, port: number, protocol, ...(appProtocol !== undefined && { appProtocol }) }];
  });
}

function targetPort(port: ServicePort, pod: Pod): number | undefined {
  const { targetPort: target, protocol = 'TCP' } = port;
  if (typeof target === 'number' && target !== 0) return target;
  if (target === undefined || target === 0 || target === '') return port.port;
  const named = (pod.spec?.containers ?? [])
    .flatMap(({ ports }) => ports ?? [])
    .find((one) => one.name === target && (one.protocol ?? 'TCP') === protocol);
  return named?.containerPort;
}

function chunks(pods: readonly Pod[]): (readonly Pod[])[] {
  const count = Math.ceil(pods.length / ENDPOINTS_MAX);
  return Array.from({ length: count }, (_, at) =>
    pods.slice(at * ENDPOINTS_MAX, (at + 1) * ENDPOINTS_MAX),
  );
}

function ageOf({ metadata }: Pod): string {
  return `${metadata.creationTimestamp} ${metadata.name}`;
}
