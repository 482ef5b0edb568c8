import type { LocalVolumes } from '#controllers/core/persistent-volume/local-volumes.ts';

/** Folders of volumes that nobody mounts: only which were removed is of interest. */
export function volumeFolders(): LocalVolumes & { readonly removed: readonly string[] } {
  const removed: string[] = [];
  return {
    removed,
    pathOf: (volume) => `/volumes/${volume}`,
    remove: async (volume) => void removed.push(volume),
  };
}
