import type { Pod } from '#api/core-v1/pod.ts';
import type { Volume } from '#api/generated/core-v1.ts';

const NONE: readonly string[] = [];

/** The names of the claims, all in the pod's namespace, whose volumes a pod mounts. */
export function claimNamesOf({ metadata, spec }: Pod): readonly string[] {
  const { volumes } = spec ?? {};
  // Most pods have none, and each change of a pod asks.
  if (!volumes?.some((volume) => volume.persistentVolumeClaim ?? volume.ephemeral)) return NONE;
  return volumes.flatMap((volume) => claimNameOf(volume, metadata.name ?? '') ?? []);
}

/** The claim of one volume of a pod: one it names, or one that is made for it and goes with it. */
export function claimNameOf(volume: Volume, pod: string): string | undefined {
  if (volume.ephemeral) return `${pod}-${volume.name}`;
  return volume.persistentVolumeClaim?.claimName;
}
