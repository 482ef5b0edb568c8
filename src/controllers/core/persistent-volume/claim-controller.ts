import { Node } from '#api/core-v1/node.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { claimNamesOf } from '#api/core-v1/pod-claims.ts';
import { classOfClaim, PersistentVolumeClaim } from '#api/core-v1/persistent-volume-claim.ts';
import { PersistentVolume } from '#api/core-v1/persistent-volume.ts';
import { defaultStorageClass, StorageClass } from '#api/storage-v1/storage-class.ts';
import { bindClaim } from '#controllers/core/persistent-volume/bind-claim.ts';
import { BIND_COMPLETED, SELECTED_NODE } from '#controllers/core/persistent-volume/binding-keys.ts';
import { claimNews, type ClaimNews } from '#controllers/core/persistent-volume/claim-news.ts';
import type { LocalVolumes } from '#controllers/core/persistent-volume/local-volumes.ts';
import { provision } from '#controllers/core/persistent-volume/provision.ts';
import {
  bestVolume,
  isVolumeOf,
  mismatch,
} from '#controllers/core/persistent-volume/volume-match.ts';
import {
  defineController,
  keyOf,
  on,
  type Context,
  type Controller,
  type Key,
  type Known,
} from '#reconcile/controller.ts';

type ClaimStatus = NonNullable<PersistentVolumeClaim['status']>;

const PROTECTION = 'kubernetes.io/pvc-protection';
const WAITS = 'WaitForFirstConsumer';

/**
 * Finds a volume for each claim, or has one made, and binds the two; a claim whose deletion is asked for goes when no pod
 * uses it any more. One at a time, so that two claims do not choose the same volume.
 */
export function claimController(folders: LocalVolumes): Controller<PersistentVolumeClaim> {
  const news = claimNews();
  return defineController<PersistentVolumeClaim>({
    kind: PersistentVolumeClaim,
    watches: [
      on(PersistentVolume, ({ spec }, known) => [
        ...(spec?.claimRef ? [keyOfRef(spec.claimRef)] : []),
        ...unboundClaims(known),
      ]),
      on(StorageClass, (_class, known) => unboundClaims(known)),
      on(Node, (_node, known) => unboundClaims(known)),
      on(Pod, (pod) =>
        claimNamesOf(pod).map((name) => ({ namespace: pod.metadata.namespace ?? '', name })),
      ),
    ],
    reconcilesDeleting: true,
    concurrency: 1,
    async reconcile(claim, context) {
      if (claim.metadata.deletionTimestamp !== undefined) {
        await unprotect(claim, context);
        return {};
      }
      const bound = { context, news, folders };
      const status = await (claim.metadata.annotations?.[BIND_COMPLETED] === undefined
        ? bindUnbound(claim, bound)
        : keepBound(claim, bound));
      return { status };
    },
    forget: (key) => news.forget(key),
  });
}

interface Parts {
  readonly context: Context;
  readonly news: ClaimNews;
  readonly folders: LocalVolumes;
}

function unboundClaims(known: Known): readonly Key[] {
  return known
    .list(PersistentVolumeClaim)
    .filter(({ metadata }) => metadata.annotations?.[BIND_COMPLETED] === undefined)
    .map((claim) => keyOf(claim));
}

function keyOfRef({ namespace = '', name = '' }: { namespace?: string; name?: string }): Key {
  return { namespace, name };
}

/** Kubernetes' rule: a pod that has a node counts, even when it has ended. Asked of the server, since this is for good. */
async function unprotect(claim: PersistentVolumeClaim, { client, live }: Context): Promise<void> {
  const { namespace = '', name = '', finalizers = [], resourceVersion } = claim.metadata;
  if (!finalizers.includes(PROTECTION)) return;
  const { items } = await live.list(Pod, { namespace });
  if (items.some((pod) => pod.spec?.nodeName && claimNamesOf(pod).includes(name))) return;
  const rest = finalizers.filter((finalizer) => finalizer !== PROTECTION);
  const patch = { metadata: { resourceVersion, finalizers: rest } };
  await client.patch(PersistentVolumeClaim, { namespace, name }, patch, { type: 'merge' });
}

async function bindUnbound(claim: PersistentVolumeClaim, parts: Parts): Promise<ClaimStatus> {
  const { client } = parts.context;
  if (claim.spec?.volumeName) return await bindNamed(claim, claim.spec.volumeName, parts);
  const className = classOfClaim(claim);
  const storageClass = className ? await client.get(StorageClass, { name: className }) : undefined;
  const selected = claim.metadata.annotations?.[SELECTED_NODE];
  const node = selected ? await client.get(Node, { name: selected }) : undefined;
  const isDelayed = storageClass?.volumeBindingMode === WAITS && !selected;
  const { items: volumes } = await client.list(PersistentVolume);
  const volume = bestVolume(claim, volumes, { node, isDelayed });
  if (volume) return await bindClaim(claim, volume, client);
  if (className === undefined && (await giveClass(claim, client))) return pending(claim);
  if (isDelayed) {
    await tellWaiting(claim, parts);
  } else if (className) {
    await provision(claim, { ...parts, storageClass, className, node });
  } else {
    await parts.news.tell(parts.context, claim, {
      type: 'Normal',
      reason: 'FailedBinding',
      message: 'no persistent volumes available for this claim and no storage class is set',
    });
  }
  return pending(claim);
}

async function bindNamed(
  claim: PersistentVolumeClaim,
  volumeName: string,
  { context, news }: Parts,
): Promise<ClaimStatus> {
  const volume = await context.client.get(PersistentVolume, { name: volumeName });
  if (!volume) return pending(claim);
  if (isVolumeOf(volume, claim)) return await bindClaim(claim, volume, context.client);
  if (volume.spec?.claimRef) {
    const message = `volume "${volumeName}" already bound to a different claim.`;
    await news.tell(context, claim, { type: 'Warning', reason: 'FailedBinding', message });
    return pending(claim);
  }
  const why = mismatch(claim, volume);
  if (why === undefined) return await bindClaim(claim, volume, context.client);
  const message = `Cannot bind to requested volume "${volumeName}": ${why}`;
  await news.tell(context, claim, { type: 'Warning', reason: 'VolumeMismatch', message });
  return pending(claim);
}

/** A claim that was made before there was a default class. */
async function giveClass(
  { metadata }: PersistentVolumeClaim,
  client: Context['client'],
): Promise<boolean> {
  const { items } = await client.list(StorageClass);
  const storageClassName = defaultStorageClass(items)?.metadata.name;
  if (storageClassName === undefined) return false;
  const { namespace = '', name = '', resourceVersion } = metadata;
  const patch = { metadata: { resourceVersion }, spec: { storageClassName } };
  await client.patch(PersistentVolumeClaim, { namespace, name }, patch, { type: 'merge' });
  return true;
}

async function tellWaiting(claim: PersistentVolumeClaim, { context, news }: Parts): Promise<void> {
  const { namespace = '', name = '' } = claim.metadata;
  const { items } = await context.client.list(Pod, { namespace });
  const pods = items.filter((pod) => !pod.spec?.nodeName && claimNamesOf(pod).includes(name));
  const names = pods.map(({ metadata }) => metadata.name).join(',');
  const told =
    pods.length === 0
      ? { reason: WAITS, message: 'waiting for first consumer to be created before binding' }
      : {
          reason: 'WaitForPodScheduled',
          message: `waiting for pod${pods.length > 1 ? 's' : ''} ${names} to be scheduled`,
        };
  await news.tell(context, claim, { type: 'Normal', ...told });
}

/** A volume that is gone takes its data with it: the claim says so and keeps its name. Asked of the server. */
async function keepBound(
  claim: PersistentVolumeClaim,
  { context, news }: Parts,
): Promise<ClaimStatus> {
  const lost = async (reason: string, message: string): Promise<ClaimStatus> => {
    await news.tell(context, claim, { type: 'Warning', reason, message });
    return { phase: 'Lost' };
  };
  const { volumeName } = claim.spec ?? {};
  if (!volumeName) {
    const why = 'Bound claim has lost reference to PersistentVolume. Data on the volume is lost!';
    return await lost('ClaimLost', why);
  }
  const ref = { name: volumeName };
  const volume =
    (await context.client.get(PersistentVolume, ref)) ??
    (await context.live.get(PersistentVolume, ref));
  if (!volume) {
    const why = 'Bound claim has lost its PersistentVolume. Data on the volume is lost!';
    return await lost('ClaimLost', why);
  }
  if (!volume.spec?.claimRef || isVolumeOf(volume, claim)) {
    return await bindClaim(claim, volume, context.client);
  }
  const why = 'Two claims are bound to the same volume, this one is bound incorrectly';
  return await lost('ClaimMisbound', why);
}

function pending({ status }: PersistentVolumeClaim): ClaimStatus {
  return { ...status, phase: 'Pending' };
}
