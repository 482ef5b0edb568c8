import { ConfigMap } from '#api/core-v1/config-map.ts';
import { Endpoints } from '#api/core-v1/endpoints.ts';
import { Service } from '#api/core-v1/service.ts';
import { EndpointSlice } from '#api/discovery-v1/endpoint-slice.ts';
import { CONFIG_NAMESPACE, configMapSeeds, EXAMPLE_KEY } from '#api/serving-config/config-maps.ts';
import type { Client } from '#client/client.ts';

export const SYSTEM_NAMESPACE = CONFIG_NAMESPACE;

/** Names of the Services that lead to the gateway: for the world, and for what is inside the cluster. */
export const GATEWAY_SERVICES = { public: 'gateway', private: 'gateway-internal' };

/**
 * Where the gateway listens on the pod-facing address. 8012, 8081 and 8444 are the ports that Knative's own parts have there; the
 * public ones would be 8080 and 8443, which other programs have on many a machine.
 */
export const GATEWAY_PORTS = {
  service: 8082,
  serviceTls: 8445,
  internal: 8081,
  internalTls: 8444,
  backend: 8012,
};

/** A Service of the platform itself, which leads to one of its processes. */
export interface PlatformService {
  readonly namespace: string;
  readonly name: string;
  readonly clusterIP?: string;
  readonly type?: 'LoadBalancer';
  readonly ports: readonly {
    readonly name: string;
    readonly protocol: 'TCP' | 'UDP';
    readonly port: number;
    readonly targetPort: number;
  }[];
}

/** By which pods and, on a foreign cluster, others reach the gateway. */
export const gatewayServices: readonly PlatformService[] = [
  {
    namespace: SYSTEM_NAMESPACE,
    name: GATEWAY_SERVICES.public,
    type: 'LoadBalancer',
    ports: webPorts(GATEWAY_PORTS.service, GATEWAY_PORTS.serviceTls),
  },
  {
    namespace: SYSTEM_NAMESPACE,
    name: GATEWAY_SERVICES.private,
    ports: webPorts(GATEWAY_PORTS.internal, GATEWAY_PORTS.internalTls),
  },
  {
    // Knative's name for what stands before a revision's pods: clients compare its endpoints with those of a revision.
    namespace: SYSTEM_NAMESPACE,
    name: 'activator-service',
    ports: [{ name: 'http', protocol: 'TCP', port: 80, targetPort: GATEWAY_PORTS.backend }],
  },
];

function webPorts(http: number, https: number): PlatformService['ports'] {
  return [
    { name: 'http', protocol: 'TCP', port: 80, targetPort: http },
    { name: 'https', protocol: 'TCP', port: 443, targetPort: https },
  ];
}

/** Makes the ConfigMaps that are missing, and shows in each what it could say. What people say in them stays. */
export async function ensureConfigMaps(client: Client): Promise<void> {
  for (const { name, labels, annotations, data } of configMapSeeds()) {
    const ref = { namespace: SYSTEM_NAMESPACE, name };
    const existing = await client.get(ConfigMap, ref);
    if (existing?.data?.[EXAMPLE_KEY] === data[EXAMPLE_KEY]) continue;
    await client.apply(ConfigMap, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { ...ref, labels: { ...labels }, annotations: { ...annotations } },
      data: { ...data },
    });
  }
}

/** Makes the Services, and leads them to `address`, where the processes of the platform listen for pods. */
export async function ensurePlatformServices(
  client: Client,
  services: readonly PlatformService[],
  address: string,
): Promise<void> {
  for (const service of services) {
    await client.apply(Service, desiredService(service));
    await client.apply(EndpointSlice, desiredSlice(service, address));
    await client.apply(Endpoints, desiredEndpoints(service, address));
  }
}

function desiredService({ namespace, name, clusterIP, type, ports }: PlatformService): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace, name },
    spec: {
      type: type ?? 'ClusterIP',
      ...(clusterIP !== undefined && { clusterIP }),
      ports: ports.map((port) => ({ ...port })),
    },
  };
}

/** Without a selector nobody else writes the endpoints of these Services. */
function desiredSlice({ namespace, name, ports }: PlatformService, address: string): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { namespace, name, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
    ports: targetsOf(ports),
  };
}

/** The same for clients that still read Endpoints; the label keeps it from being mirrored to a second slice. */
function desiredEndpoints({ namespace, name, ports }: PlatformService, ip: string): Endpoints {
  const labels = { 'endpointslice.kubernetes.io/skip-mirror': 'true' };
  return {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { namespace, name, labels },
    subsets: [{ addresses: [{ ip }], ports: targetsOf(ports) }],
  };
}

function targetsOf(ports: PlatformService['ports']) {
  return ports.map(({ name, protocol, targetPort }) => ({ name, protocol, port: targetPort }));
}
