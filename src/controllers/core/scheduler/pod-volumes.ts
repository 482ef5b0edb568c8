import { claimNamesOf } from '#api/core-v1/pod-claims.ts';
import { classOfClaim, PersistentVolumeClaim } from '#api/core-v1/persistent-volume-claim.ts';
import { PersistentVolume } from '#api/core-v1/persistent-volume.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import { StorageClass } from '#api/storage-v1/storage-class.ts';
import type { Client } from '#client/client.ts';
import { BIND_COMPLETED, SELECTED_NODE } from '#controllers/core/persistent-volume/binding-keys.ts';
import { NO_PROVISIONER } from '#controllers/core/persistent-volume/provision.ts';
import { bestVolume, isReachableOn } from '#controllers/core/persistent-volume/volume-match.ts';
import type { Candidate } from '#controllers/core/scheduler/candidate.ts';

/** A claim of a pod that is to be scheduled, and what there is for it. */
export interface PodClaim {
  readonly claim: PersistentVolumeClaim;
  /** The one it is bound to. */
  readonly volume: PersistentVolume | undefined;
  /** Those it may be bound to; only told where it waits for its first pod. */
  readonly volumes: readonly PersistentVolume[];
  readonly storageClass: StorageClass | undefined;
}

interface PodClaims {
  /** Why the pod can run nowhere yet, in the scheduler's words. */
  readonly problem?: string;
  readonly claims: readonly PodClaim[];
}

const NONE: PodClaims = { claims: [] };

export async function claimsOf(pod: Pod, client: Client): Promise<PodClaims> {
  const names = claimNamesOf(pod);
  if (names.length === 0) return NONE;
  const { items: volumes } = await client.list(PersistentVolume);
  const claims: PodClaim[] = [];
  for (const name of names) {
    const claim = await client.get(PersistentVolumeClaim, {
      namespace: pod.metadata.namespace ?? '',
      name,
    });
    const found = claim && (await podClaim(claim, { volumes, client }));
    const problem = problemOf(name, found);
    if (problem !== undefined) return { problem, claims: [] };
    if (found) claims.push(found);
  }
  return { claims };
}

async function podClaim(
  claim: PersistentVolumeClaim,
  { volumes, client }: { readonly volumes: readonly PersistentVolume[]; readonly client: Client },
): Promise<PodClaim> {
  if (isBound(claim)) {
    const volume = volumes.find(({ metadata }) => metadata.name === claim.spec?.volumeName);
    return { claim, volume, volumes: [], storageClass: undefined };
  }
  const name = classOfClaim(claim);
  const storageClass = name ? await client.get(StorageClass, { name }) : undefined;
  return { claim, volume: undefined, volumes, storageClass };
}

function problemOf(name: string, found: PodClaim | undefined): string | undefined {
  const text = `persistentvolumeclaim "${name}"`;
  if (!found) return `${text} not found`;
  const { claim, volume, storageClass } = found;
  if (claim.metadata.deletionTimestamp !== undefined) return `${text} is being deleted`;
  if (claim.status?.phase === 'Lost' || (isBound(claim) && !volume)) {
    return `${text} bound to non-existent persistentvolume "${claim.spec?.volumeName ?? ''}"`;
  }
  const isDelayed = storageClass?.volumeBindingMode === 'WaitForFirstConsumer';
  if (isBound(claim) || (isDelayed && !claim.spec?.volumeName)) return undefined;
  return 'pod has unbound immediate PersistentVolumeClaims';
}

/** Why the pod's volumes keep it from a node, in the scheduler's words. */
export function volumeReasons(
  claims: readonly PodClaim[],
  { node, pods }: Candidate,
): readonly string[] {
  const reasons = new Set<string>();
  for (const { claim, volume, volumes, storageClass } of claims) {
    if (isAloneAndTaken(claim, pods)) reasons.add(ALONE);
    if (volume) {
      if (!isReachableOn(volume, node)) reasons.add(ELSEWHERE);
      continue;
    }
    const selected = claim.metadata.annotations?.[SELECTED_NODE];
    const isElsewhere = selected !== undefined && selected !== node.metadata.name;
    const isThere =
      storageClass?.provisioner !== NO_PROVISIONER || bestVolume(claim, volumes, { node });
    if (isElsewhere || !isThere) reasons.add(NOTHING_THERE);
  }
  return [...reasons];
}

const ALONE =
  'node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod';
const ELSEWHERE = "node(s) didn't match PersistentVolume's node affinity";
const NOTHING_THERE = "node(s) didn't find available persistent volumes to bind";

/**
 * Tells the claims that wait for their first pod where that will run. Whether any had to be told: then the pod waits until
 * they have their volumes.
 */
export async function awaitVolumes(
  claims: readonly PodClaim[],
  node: string,
  client: Client,
): Promise<boolean> {
  const unbound = claims.filter(({ claim }) => !isBound(claim));
  for (const { claim } of unbound) {
    const { namespace = '', name = '', resourceVersion, annotations } = claim.metadata;
    if (annotations?.[SELECTED_NODE] === node) continue;
    const patch = { metadata: { resourceVersion, annotations: { [SELECTED_NODE]: node } } };
    await client.patch(PersistentVolumeClaim, { namespace, name }, patch, { type: 'merge' });
  }
  return unbound.length > 0;
}

function isBound({ metadata }: PersistentVolumeClaim): boolean {
  return metadata.annotations?.[BIND_COMPLETED] !== undefined;
}

function isAloneAndTaken({ metadata, spec }: PersistentVolumeClaim, pods: readonly Pod[]): boolean {
  if (!spec?.accessModes?.includes('ReadWriteOncePod')) return false;
  return pods.some(
    (pod) =>
      pod.metadata.namespace === metadata.namespace &&
      claimNamesOf(pod).includes(metadata.name ?? ''),
  );
}
