import { Namespace } from '#api/core-v1/namespace.ts';
import { bootstrapRbac } from '#apiserver/authorization/bootstrap-roles.ts';
import { ClusterRole } from '#api/rbac-v1/cluster-role.ts';
import { ClusterRoleBinding } from '#api/rbac-v1/cluster-role-binding.ts';
import { Role } from '#api/rbac-v1/role.ts';
import { RoleBinding } from '#api/rbac-v1/role-binding.ts';
import { PriorityClass } from '#api/scheduling-v1/priority-class.ts';
import { StorageClass } from '#api/storage-v1/storage-class.ts';
import type { Client } from '#client/client.ts';
import { LOCAL_PROVISIONER } from '#controllers/core/persistent-volume/local-provisioner.ts';
import {
  ensureConfigMaps,
  ensurePlatformServices,
  gatewayServices,
  SYSTEM_NAMESPACE,
  type PlatformService,
} from './platform-services.ts';

export const CLUSTER_DOMAIN = 'cluster.local';

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
  await ensureConfigMaps(client);
  const services = [...ownServices(addresses), ...gatewayServices];
  await ensurePlatformServices(client, services, addresses.podFacing);
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

/** What pods reach of this machine beside the gateway. */
function ownServices(addresses: ClusterAddresses): readonly PlatformService[] {
  const { apiPort, registryPort, apiService, dnsService } = addresses;
  return [
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
      name: 'registry',
      ports: [{ name: 'https', protocol: 'TCP', port: 443, targetPort: registryPort }],
    },
  ];
}
