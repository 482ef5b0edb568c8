import { EndpointSlice } from '#api/discovery-v1/endpoint-slice.ts';
import { Endpoints } from '#api/core-v1/endpoints.ts';
import { Namespace } from '#api/core-v1/namespace.ts';
import { Service } from '#api/core-v1/service.ts';
import { bootstrapRbac } from '#apiserver/authorization/bootstrap-roles.ts';
import { ClusterRole } from '#api/rbac-v1/cluster-role.ts';
import { ClusterRoleBinding } from '#api/rbac-v1/cluster-role-binding.ts';
import { Role } from '#api/rbac-v1/role.ts';
import { RoleBinding } from '#api/rbac-v1/role-binding.ts';
import { PriorityClass } from '#api/scheduling-v1/priority-class.ts';
import { StorageClass } from '#api/storage-v1/storage-class.ts';
import type { Client } from '#client/client.ts';
import { LOCAL_PROVISIONER } from '#controllers/core/persistent-volume/local-provisioner.ts';

export const CLUSTER_DOMAIN = 'cluster.local';
export const SYSTEM_NAMESPACE = 'knative-serving';

/** Where the gateway listens on the pod-facing address: the ports Knative's own parts have there. */
export const GATEWAY_PORTS = { internal: 8081, backend: 8012 };

/** The registry as pods know it. */
export const REGISTRY_NAME = `registry.${SYSTEM_NAMESPACE}.svc.${CLUSTER_DOMAIN}`;

export interface ClusterAddresses {
  /** The one address of this machine that pods reach. */
  readonly podFacing: string;
  readonly apiPort: number;
  readonly registryPort: number;
  /** ClusterIPs of `kubernetes` and `kube-dns`. */
  readonly apiService: string;
  readonly dnsService: string;
}

/** Makes what every cluster has before anybody asks: namespaces, roles, and the Services of the platform itself. */
export async function ensureClusterObjects(
  client: Client,
  addresses: ClusterAddresses,
): Promise<void> {
  for (const name of NAMESPACES) {
    await client.apply(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  }
  for (const object of bootstrapRbac()) {
    const kind = RBAC_KINDS.find((candidate) => candidate.kind === object.kind);
    // Each object is of the kind it says; the union cannot carry that through.
    if (kind) await client.apply(kind as typeof ClusterRole, object as ClusterRole);
  }
  for (const priorityClass of systemPriorities()) {
    await client.apply(PriorityClass, priorityClass);
  }
  await ensureStorageClass(client);
  for (const { service, slice, endpoints } of platformServices(addresses)) {
    await client.apply(Service, service);
    await client.apply(EndpointSlice, slice);
    await client.apply(Endpoints, endpoints);
  }
}

const NAMESPACES = ['default', 'kube-system', 'kube-public', 'kube-node-lease', SYSTEM_NAMESPACE];
const RBAC_KINDS = [Role, RoleBinding, ClusterRole, ClusterRoleBinding];

/** Kubernetes' own two, which pods that a node or a cluster cannot do without name. */
function systemPriorities(): PriorityClass[] {
  const priority = (name: string, value: number): PriorityClass => ({
    apiVersion: 'scheduling.k8s.io/v1',
    kind: 'PriorityClass',
    metadata: { name },
    value,
  });
  return [
    priority('system-cluster-critical', 2_000_000_000),
    priority('system-node-critical', 2_000_001_000),
  ];
}

/** Of claims that name no class: folders of this machine. Made once, so that it stays as people changed it. */
async function ensureStorageClass(client: Client): Promise<void> {
  const name = 'local';
  if (await client.get(StorageClass, { name })) return;
  await client.create(StorageClass, {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: {
      name,
      annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' },
    },
    provisioner: LOCAL_PROVISIONER,
    reclaimPolicy: 'Delete',
    volumeBindingMode: 'WaitForFirstConsumer',
  });
}

interface PlatformService {
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

function platformServices(addresses: ClusterAddresses): {
  readonly service: Service;
  readonly slice: EndpointSlice;
  readonly endpoints: Endpoints;
}[] {
  const { podFacing, apiPort, registryPort, apiService, dnsService } = addresses;
  const http = (targetPort: number): PlatformService['ports'] => [
    { name: 'http', protocol: 'TCP', port: 80, targetPort },
  ];
  const services: PlatformService[] = [
    {
      namespace: 'default',
      name: 'kubernetes',
      clusterIP: apiService,
      ports: [{ name: 'https', protocol: 'TCP', port: 443, targetPort: apiPort }],
    },
    {
      namespace: 'kube-system',
      name: 'kube-dns',
      clusterIP: dnsService,
      ports: [
        { name: 'dns', protocol: 'UDP', port: 53, targetPort: 53 },
        { name: 'dns-tcp', protocol: 'TCP', port: 53, targetPort: 53 },
      ],
    },
    {
      namespace: SYSTEM_NAMESPACE,
      name: 'gateway',
      type: 'LoadBalancer',
      ports: http(GATEWAY_PORTS.internal),
    },
    {
      namespace: SYSTEM_NAMESPACE,
      name: 'registry',
      ports: [{ name: 'https', protocol: 'TCP', port: 443, targetPort: registryPort }],
    },
    { namespace: SYSTEM_NAMESPACE, name: 'gateway-internal', ports: http(GATEWAY_PORTS.internal) },
  ];
  return services.map((service) => ({
    service: desiredService(service),
    slice: desiredSlice(service, podFacing),
    endpoints: desiredEndpoints(service, podFacing),
  }));
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
