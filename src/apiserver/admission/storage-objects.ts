import { classOfClaim, PersistentVolumeClaim } from '#api/core-v1/persistent-volume-claim.ts';
import { PersistentVolume } from '#api/core-v1/persistent-volume.ts';
import { parseQuantity } from '#api/meta/quantity.ts';
import { forbidden } from '#api/meta/api-error.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { defaultStorageClass, StorageClass } from '#api/storage-v1/storage-class.ts';
import type { AdmissionStep } from '#apiserver/admission/admit.ts';
import { keyOf, objectOf, prefixOf } from '#apiserver/stored-object.ts';
import type { Store } from '#store/store.ts';

/**
 * Claims without a class get the default one and grow only where their class allows it; claims and volumes stay until
 * nobody uses them. Kubernetes' DefaultStorageClass, PersistentVolumeClaimResize and StorageObjectInUseProtection.
 */
export function storageObjects(store: Store): AdmissionStep {
  return {
    handles: (kind) => kind === PersistentVolume || kind === PersistentVolumeClaim,
    async admit(object, { kind, operation }) {
      if (operation !== 'CREATE') return undefined;
      if (kind === PersistentVolume) {
        protect(object, 'kubernetes.io/pv-protection');
        return undefined;
      }
      // `handles` let only claims come here.
      await giveClass(store, object as PersistentVolumeClaim);
      protect(object, 'kubernetes.io/pvc-protection');
      return undefined;
    },
    async check(object, { kind, previous, subresource }) {
      if (!object || !previous || kind === PersistentVolume || subresource !== undefined) return;
      await refuseGrowth(store, object as PersistentVolumeClaim, previous as PersistentVolumeClaim);
    },
  };
}

function protect({ metadata }: KubeObject, finalizer: string): void {
  const finalizers = metadata.finalizers ?? [];
  if (!finalizers.includes(finalizer)) metadata.finalizers = [...finalizers, finalizer];
}

async function giveClass(store: Store, claim: PersistentVolumeClaim): Promise<void> {
  if (!claim.spec || classOfClaim(claim) !== undefined) return;
  const { entries } = await store.list(prefixOf(StorageClass, undefined));
  const found = defaultStorageClass(entries.map((entry) => objectOf<StorageClass>(entry)));
  if (found?.metadata.name) claim.spec.storageClassName = found.metadata.name;
}

async function refuseGrowth(
  store: Store,
  claim: PersistentVolumeClaim,
  previous: PersistentVolumeClaim,
): Promise<void> {
  if (askedOf(claim) <= askedOf(previous)) return;
  const refuse = (why: string): never => {
    throw forbidden(PersistentVolumeClaim, claim.metadata.name ?? '', why);
  };
  if (previous.status?.phase !== 'Bound') {
    refuse('Only bound persistent volume claims can be expanded');
  }
  const name = classOfClaim(claim);
  const isSame = name !== undefined && name === classOfClaim(previous);
  const entry = isSame ? await store.get(keyOf(StorageClass, undefined, name)) : undefined;
  if (entry && objectOf<StorageClass>(entry).allowVolumeExpansion) return;
  refuse(
    'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize',
  );
}

function askedOf({ spec }: PersistentVolumeClaim): bigint {
  return parseQuantity(spec?.resources?.requests?.['storage'] ?? 0).nano;
}
