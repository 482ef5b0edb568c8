import { PersistentVolumeClaim } from '#api/core-v1/persistent-volume-claim.ts';
import { PersistentVolume } from '#api/core-v1/persistent-volume.ts';
import type { Client } from '#client/client.ts';
import {
  BIND_COMPLETED,
  BOUND_BY_CONTROLLER,
} from '#controllers/core/persistent-volume/binding-keys.ts';

type ClaimStatus = NonNullable<PersistentVolumeClaim['status']>;

/**
 * Makes the two name each other, the volume first, and returns the claim's status. Both are written with the version that was
 * read: who else takes one of them at this moment wins or loses. Whatever was done of it before is not done again.
 */
export async function bindClaim(
  claim: PersistentVolumeClaim,
  volume: PersistentVolume,
  client: Client,
): Promise<ClaimStatus> {
  const { name = '', resourceVersion } = volume.metadata;
  if (volume.spec?.claimRef?.uid !== claim.metadata.uid) {
    const isOpen = !volume.spec?.claimRef;
    const patch = {
      metadata: {
        resourceVersion,
        ...(isOpen && { annotations: { [BOUND_BY_CONTROLLER]: 'yes' } }),
      },
      spec: { claimRef: claimRefOf(claim) },
    };
    await client.patch(PersistentVolume, { name }, patch, { type: 'merge' });
  }
  await nameVolume(claim, name, client);
  const { accessModes = [], capacity = {} } = volume.spec ?? {};
  return { ...claim.status, phase: 'Bound', accessModes, capacity };
}

/** The reference by which a volume names its claim. */
export function claimRefOf({ metadata }: PersistentVolumeClaim): {
  readonly [field: string]: string;
} {
  const { namespace = '', name = '', uid = '', resourceVersion = '' } = metadata;
  const kind = PersistentVolumeClaim.kind;
  return { apiVersion: 'v1', kind, namespace, name, uid, resourceVersion };
}

async function nameVolume(
  { metadata, spec }: PersistentVolumeClaim,
  volumeName: string,
  client: Client,
): Promise<void> {
  const { namespace = '', name = '', resourceVersion, annotations } = metadata;
  const isOpen = !spec?.volumeName;
  if (!isOpen && annotations?.[BIND_COMPLETED] !== undefined) return;
  const added = { [BIND_COMPLETED]: 'yes', ...(isOpen && { [BOUND_BY_CONTROLLER]: 'yes' }) };
  const patch = { metadata: { resourceVersion, annotations: added }, spec: { volumeName } };
  await client.patch(PersistentVolumeClaim, { namespace, name }, patch, { type: 'merge' });
}
