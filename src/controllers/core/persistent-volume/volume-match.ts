import { classOfClaim, type PersistentVolumeClaim } from '#api/core-v1/persistent-volume-claim.ts';
import type { PersistentVolume } from '#api/core-v1/persistent-volume.ts';
import type { Node } from '#api/core-v1/node.ts';
import { parseQuantity } from '#api/meta/quantity.ts';
import { matchLabelSelector } from '#api/meta/selector.ts';
import { matchesTerm } from '#controllers/core/scheduler/node-affinity.ts';

/** Whether the volume is this claim's, or was reserved for it by name before it existed. */
export function isVolumeOf(
  { spec }: PersistentVolume,
  { metadata }: PersistentVolumeClaim,
): boolean {
  const { claimRef } = spec ?? {};
  if (claimRef?.name !== metadata.name || claimRef?.namespace !== metadata.namespace) return false;
  return !claimRef?.uid || claimRef.uid === metadata.uid;
}

/** Whether what is in the volume can be reached on the node. */
export function isReachableOn({ spec }: PersistentVolume, node: Node): boolean {
  const required = spec?.nodeAffinity?.required;
  return !required || required.nodeSelectorTerms.some((term) => matchesTerm(term, node));
}

/** Why a volume that a claim names is not for it, in Kubernetes' words; undefined where it is. */
export function mismatch(
  claim: PersistentVolumeClaim,
  volume: PersistentVolume,
): string | undefined {
  if (sizeOf(volume) < askedOf(claim)) return 'requested PV is too small';
  if (!hasClass(volume, claim)) return 'storageClassName does not match';
  if (volume.spec?.volumeMode !== claim.spec?.volumeMode) return 'incompatible volumeMode';
  if (!hasModes(volume, claim)) return 'incompatible accessMode';
  return undefined;
}

/**
 * The volume reserved for the claim, else the smallest that is free and has all it asks for; on `node`, where one is told.
 * A claim that waits for its first pod (`isDelayed`) gets none but a reserved one.
 */
export function bestVolume(
  claim: PersistentVolumeClaim,
  volumes: readonly PersistentVolume[],
  { node, isDelayed = false }: { readonly node?: Node | undefined; readonly isDelayed?: boolean },
): PersistentVolume | undefined {
  const fitting = volumes.filter(
    (volume) =>
      volume.metadata.deletionTimestamp === undefined &&
      sizeOf(volume) >= askedOf(claim) &&
      volume.spec?.volumeMode === claim.spec?.volumeMode &&
      (!node || isReachableOn(volume, node)),
  );
  const reserved = fitting.find((volume) => isVolumeOf(volume, claim));
  if (reserved || isDelayed) return reserved;
  const { selector } = claim.spec ?? {};
  const isSelected = selector ? matchLabelSelector(selector) : () => true;
  return fitting
    .filter(
      (volume) =>
        !volume.spec?.claimRef &&
        volume.status?.phase === 'Available' &&
        isSelected(volume.metadata.labels) &&
        hasClass(volume, claim) &&
        hasModes(volume, claim),
    )
    .toSorted(bySize)[0];
}

function hasClass({ spec }: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  return (spec?.storageClassName ?? '') === (classOfClaim(claim) ?? '');
}

function hasModes(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  const modes = volume.spec?.accessModes ?? [];
  return (claim.spec?.accessModes ?? []).every((mode) => modes.includes(mode));
}

function sizeOf({ spec }: PersistentVolume): bigint {
  return parseQuantity(spec?.capacity?.['storage'] ?? 0).nano;
}

function askedOf({ spec }: PersistentVolumeClaim): bigint {
  return parseQuantity(spec?.resources?.requests?.['storage'] ?? 0).nano;
}

function bySize(a: PersistentVolume, b: PersistentVolume): number {
  const difference = sizeOf(a) - sizeOf(b);
  if (difference !== 0n) return difference < 0n ? -1 : 1;
  return (a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1;
}
