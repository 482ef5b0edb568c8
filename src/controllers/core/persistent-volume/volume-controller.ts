import { PersistentVolumeClaim } from '#api/core-v1/persistent-volume-claim.ts';
import { PersistentVolume } from '#api/core-v1/persistent-volume.ts';
import {
  BOUND_BY_CONTROLLER,
  PROVISIONED_BY,
} from '#controllers/core/persistent-volume/binding-keys.ts';
import { LOCAL_PROVISIONER } from '#controllers/core/persistent-volume/local-provisioner.ts';
import type { LocalVolumes } from '#controllers/core/persistent-volume/local-volumes.ts';
import { timestamp } from '#api/meta/timestamp.ts';
import { defineController, on, type Context, type Controller } from '#reconcile/controller.ts';
import { recordEvent } from '#reconcile/record-event.ts';

type VolumeStatus = NonNullable<PersistentVolume['status']>;

const PROTECTION = 'kubernetes.io/pv-protection';

/**
 * Says of each volume whether it is free, bound or left by its claim, and does with one that was left what its reclaim
 * policy says. The folder of one of ours goes before the volume does, so that a death in between leaves no data behind.
 */
export function volumeController(folders: LocalVolumes): Controller<PersistentVolume> {
  return defineController<PersistentVolume>({
    kind: PersistentVolume,
    watches: [
      on(PersistentVolumeClaim, ({ spec }) =>
        spec?.volumeName ? [{ namespace: '', name: spec.volumeName }] : [],
      ),
    ],
    reconcilesDeleting: true,
    async reconcile(volume, context) {
      if (volume.metadata.deletionTimestamp !== undefined) {
        return await endVolume(volume, { context, folders });
      }
      return await keepVolume(volume, context);
    },
  });
}

async function keepVolume(
  volume: PersistentVolume,
  context: Context,
): Promise<{ readonly status?: VolumeStatus }> {
  const { claimRef } = volume.spec ?? {};
  if (!claimRef?.uid) return { status: inPhase(volume, 'Available', context) };
  const claim = await claimOf(volume, context);
  if (!claim) return { status: await leave(volume, context) };
  const { volumeName } = claim.spec ?? {};
  // The claim's own reconcile is about to name the volume.
  if (!volumeName) return {};
  if (volumeName === volume.metadata.name) return { status: inPhase(volume, 'Bound', context) };
  const annotations = volume.metadata.annotations ?? {};
  const isMadeForIt = annotations[PROVISIONED_BY] !== undefined;
  if (isMadeForIt && volume.spec?.persistentVolumeReclaimPolicy === 'Delete') {
    return { status: await leave(volume, context) };
  }
  await free(volume, context);
  return { status: inPhase(volume, 'Available', context) };
}

/** The claim it is bound to, if that lives: asked of the server where memory has none, since data hangs on it. */
async function claimOf(
  { spec }: PersistentVolume,
  { client, live }: Context,
): Promise<PersistentVolumeClaim | undefined> {
  const { namespace = '', name = '', uid } = spec?.claimRef ?? {};
  const known = await client.get(PersistentVolumeClaim, { namespace, name });
  if (known?.metadata.uid === uid) return known;
  const current = await live.get(PersistentVolumeClaim, { namespace, name });
  return current?.metadata.uid === uid ? current : undefined;
}

/** Its claim is gone, or took another. */
async function leave(volume: PersistentVolume, context: Context): Promise<VolumeStatus> {
  const { name = '', uid = '' } = volume.metadata;
  const policy = volume.spec?.persistentVolumeReclaimPolicy;
  const maker = volume.metadata.annotations?.[PROVISIONED_BY];
  if (policy === 'Delete' && maker === LOCAL_PROVISIONER && volume.status?.phase === 'Released') {
    await context.client.delete(PersistentVolume, { name }, { preconditions: { uid } });
  }
  // Whoever else has made a volume takes it away as well.
  if (policy === 'Retain' || (policy === 'Delete' && maker !== undefined)) {
    return inPhase(volume, 'Released', context);
  }
  const [reason, message] =
    policy === 'Recycle'
      ? ['VolumeFailedRecycle', 'No recycler plugin found for the volume!']
      : [
          'VolumeFailedDelete',
          `error getting deleter volume plugin for volume "${name}": no deletable volume plugin matched`,
        ];
  if (volume.status?.phase !== 'Failed') {
    const component = 'persistentvolume-controller';
    await recordEvent(context, volume, { type: 'Warning', reason, message, component });
  }
  return { ...inPhase(volume, 'Failed', context), message };
}

/** A volume whose claim chose another is anybody's again, or whose a person reserved it for. */
async function free(volume: PersistentVolume, { client }: Context): Promise<void> {
  const { name = '', resourceVersion, annotations } = volume.metadata;
  const isOurs = annotations?.[BOUND_BY_CONTROLLER] !== undefined;
  const patch = {
    metadata: { resourceVersion, ...(isOurs && { annotations: { [BOUND_BY_CONTROLLER]: null } }) },
    spec: { claimRef: isOurs ? null : { uid: null, resourceVersion: null } },
  };
  await client.patch(PersistentVolume, { name }, patch, { type: 'merge' });
}

/** Data that a claim still holds stays. */
async function endVolume(
  volume: PersistentVolume,
  { context, folders }: { readonly context: Context; readonly folders: LocalVolumes },
): Promise<{ readonly status?: VolumeStatus }> {
  const { name = '', finalizers = [], resourceVersion, annotations } = volume.metadata;
  const isHeld = volume.spec?.claimRef?.uid && (await claimOf(volume, context)) !== undefined;
  if (isHeld || !finalizers.includes(PROTECTION)) return {};
  const isOurs = annotations?.[PROVISIONED_BY] === LOCAL_PROVISIONER;
  if (isOurs && volume.spec?.persistentVolumeReclaimPolicy === 'Delete') await folders.remove(name);
  const rest = finalizers.filter((finalizer) => finalizer !== PROTECTION);
  const patch = { metadata: { resourceVersion, finalizers: rest } };
  await context.client.patch(PersistentVolume, { name }, patch, { type: 'merge' });
  return {};
}

function inPhase(
  { status = {} }: PersistentVolume,
  phase: string,
  { clock }: Context,
): VolumeStatus {
  if (status.phase === phase) return status;
  return { phase, lastPhaseTransitionTime: timestamp(clock.now()) };
}
