import { Node } from '#api/core-v1/node.ts';
import { PersistentVolumeClaim } from '#api/core-v1/persistent-volume-claim.ts';
import { PersistentVolume } from '#api/core-v1/persistent-volume.ts';
import { hasReason } from '#api/meta/api-error.ts';
import type { StorageClass } from '#api/storage-v1/storage-class.ts';
import { STORAGE_PROVISIONER } from '#controllers/core/persistent-volume/binding-keys.ts';
import type { ClaimNews } from '#controllers/core/persistent-volume/claim-news.ts';
import type { LocalVolumes } from '#controllers/core/persistent-volume/local-volumes.ts';
import {
  desiredVolume,
  LOCAL_PROVISIONER,
  unprovisionable,
} from '#controllers/core/persistent-volume/local-provisioner.ts';
import type { Context } from '#reconcile/controller.ts';

/** Of classes whose volumes people make. */
export const NO_PROVISIONER = 'kubernetes.io/no-provisioner';

export interface ProvisionParts {
  readonly context: Context;
  readonly news: ClaimNews;
  readonly folders: LocalVolumes;
  readonly className: string;
  readonly storageClass: StorageClass | undefined;
  /** Where the volume has to be; anywhere where absent. */
  readonly node: Node | undefined;
}

/**
 * Has a volume made for a claim that none of those there are is for: by ourselves, or by whoever its class names, who looks
 * for claims with its name on them. The new volume is reserved for the claim, which is bound when it shows up.
 */
export async function provision(
  claim: PersistentVolumeClaim,
  { context, news, folders, className, storageClass, node }: ProvisionParts,
): Promise<void> {
  const failed = (message: string): Promise<void> =>
    news.tell(context, claim, { type: 'Warning', reason: 'ProvisioningFailed', message });
  if (!storageClass) return await failed(`storageclass.storage.k8s.io "${className}" not found`);
  const { provisioner } = storageClass;
  if (provisioner === NO_PROVISIONER) {
    return await failed(`no volume plugin matched name: ${provisioner}`);
  }
  if (provisioner !== LOCAL_PROVISIONER) {
    return await leaveToOthers(claim, provisioner, { context, news });
  }
  const problem = unprovisionable(claim);
  const chosen = node ?? (await someNode(context));
  if (problem !== undefined || !chosen) {
    const why = problem ?? 'there is no node';
    return await failed(`failed to provision volume with StorageClass "${className}": ${why}`);
  }
  const volume = desiredVolume(claim, { storageClass, node: chosen, folders });
  try {
    await context.client.create(PersistentVolume, volume);
  } catch (error) {
    if (hasReason(error, 'AlreadyExists')) return;
    throw error;
  }
  await news.tell(context, claim, {
    type: 'Normal',
    reason: 'ProvisioningSucceeded',
    message: `Successfully provisioned volume ${volume.metadata.name}`,
  });
}

async function leaveToOthers(
  claim: PersistentVolumeClaim,
  provisioner: string,
  { context, news }: Pick<ProvisionParts, 'context' | 'news'>,
): Promise<void> {
  const { namespace = '', name = '', resourceVersion, annotations } = claim.metadata;
  if (annotations?.[STORAGE_PROVISIONER] !== provisioner) {
    const added = {
      [STORAGE_PROVISIONER]: provisioner,
      'volume.beta.kubernetes.io/storage-provisioner': provisioner,
    };
    const patch = { metadata: { resourceVersion, annotations: added } };
    await context.client.patch(PersistentVolumeClaim, { namespace, name }, patch, {
      type: 'merge',
    });
  }
  await news.tell(context, claim, {
    type: 'Normal',
    reason: 'ExternalProvisioning',
    message: `Waiting for a volume to be created either by the external provisioner '${provisioner}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.`,
  });
}

async function someNode({ client }: Context): Promise<Node | undefined> {
  const { items } = await client.list(Node);
  return items.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))[0];
}

function nameOf({ metadata }: Node): string {
  return metadata.name ?? '';
}
