import { rm } from 'node:fs/promises';
import path from 'node:path';
import { ApiError } from '#api/meta/api-error.ts';
import type { LocalVolumes } from '#controllers/core/persistent-volume/local-volumes.ts';
import { pathsOf } from '#supervisor/settings.ts';

/** Volumes as folders under the home, on the one machine there is. */
export function localVolumes(home: string): LocalVolumes {
  const { volumes } = pathsOf(home);
  // Names of objects have no slashes and are none of the two dots, so that this stays below.
  const pathOf = (volume: string): string => path.join(volumes, volume);
  return {
    pathOf,
    async remove(volume) {
      try {
        await rm(pathOf(volume), { recursive: true, force: true });
      } catch (error) {
        const message = `cannot remove the folder of volume ${volume}: ${String(error)}`;
        throw new ApiError('ServiceUnavailable', message);
      }
    },
  };
}
