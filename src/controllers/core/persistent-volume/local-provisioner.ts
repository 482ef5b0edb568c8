import type { Node } from '#api/core-v1/node.ts';
import type { PersistentVolumeClaim } from '#api/core-v1/persistent-volume-claim.ts';
import type { PersistentVolume } from '#api/core-v1/persistent-volume.ts';
import type { StorageClass } from '#api/storage-v1/storage-class.ts';
import { claimRefOf } from '#controllers/core/persistent-volume/bind-claim.ts';
import { PROVISIONED_BY } from '#controllers/core/persistent-volume/binding-keys.ts';
import type { LocalVolumes } from '#controllers/core/persistent-volume/local-volumes.ts';

/** What a StorageClass says whose volumes are folders of a node. */
export const LOCAL_PROVISIONER = 'knode.dev/local';

const HOSTNAME = 'kubernetes.io/hostname';

/** Why no folder can be what the claim asks for; undefined where one can. */
export function unprovisionable({ spec }: PersistentVolumeClaim): string | undefined {
  if (spec?.volumeMode === 'Block') return 'volumeMode "Block" is not there: a volume is a folder';
  if (spec?.selector) return 'claim.Spec.Selector is not supported';
  if (spec?.dataSourceRef) return 'a volume begins empty: dataSource is not supported';
  return undefined;
}

/** A volume for the claim on the node, which nobody but this claim gets. */
export function desiredVolume(
  claim: PersistentVolumeClaim,
  { storageClass, node, folders }: Provision,
): PersistentVolume {
  const name = `pvc-${claim.metadata.uid ?? ''}`;
  const { accessModes = [], resources, volumeMode } = claim.spec ?? {};
  const { reclaimPolicy = 'Delete', mountOptions } = storageClass;
  const { labels = {}, name: nodeName = '' } = node.metadata;
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name, annotations: { [PROVISIONED_BY]: LOCAL_PROVISIONER } },
    spec: {
      capacity: { storage: resources?.requests?.['storage'] ?? '0' },
      accessModes: [...accessModes],
      persistentVolumeReclaimPolicy: reclaimPolicy,
      storageClassName: storageClass.metadata.name ?? '',
      ...(volumeMode !== undefined && { volumeMode }),
      ...(mountOptions && { mountOptions: [...mountOptions] }),
      claimRef: claimRefOf(claim),
      local: { path: folders.pathOf(name) },
      nodeAffinity: { required: { nodeSelectorTerms: [termOf(labels[HOSTNAME] ?? nodeName)] } },
    },
  };
}

interface Provision {
  readonly storageClass: StorageClass;
  readonly node: Node;
  readonly folders: LocalVolumes;
}

function termOf(hostname: string) {
  return { matchExpressions: [{ key: HOSTNAME, operator: 'In', values: [hostname] }] };
}
