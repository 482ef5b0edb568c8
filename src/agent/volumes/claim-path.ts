import { chmod, mkdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { PersistentVolumeClaim } from '#api/core-v1/persistent-volume-claim.ts';
import { PersistentVolume } from '#api/core-v1/persistent-volume.ts';
import type { Client } from '#client/client.ts';
import { mountProblem } from '#agent/pods/container-problem.ts';

export interface ClaimSources {
  readonly client: Client;
  readonly namespace: string;
  /** Where volumes are folders of the platform's own: those are made when they are first used. */
  readonly volumesFolder: string;
}

/** The folder of the volume that a claim is bound to. Throws ContainerProblem while there is none. */
export async function claimPath(
  volume: string,
  claimName: string,
  { client, namespace, volumesFolder }: ClaimSources,
): Promise<string> {
  const claim = await client.get(PersistentVolumeClaim, { namespace, name: claimName });
  if (!claim) throw mountProblem(volume, `persistentvolumeclaim "${claimName}" not found`);
  const name = claim.spec?.volumeName;
  if (claim.status?.phase !== 'Bound' || !name)
    throw mountProblem(volume, `persistentvolumeclaim "${claimName}" is not bound`);
  const found = await client.get(PersistentVolume, { name });
  if (!found) throw mountProblem(volume, `persistentvolume "${name}" not found`);
  const { claimRef, volumeMode, local, hostPath } = found.spec ?? {};
  if (claimRef?.uid !== claim.metadata.uid)
    throw mountProblem(volume, `persistentvolume "${name}" belongs to another claim`);
  const folder = local?.path ?? hostPath?.path;
  if (folder === undefined || volumeMode === 'Block')
    throw mountProblem(
      volume,
      `persistentvolume "${name}" is none that is there: only local and hostPath folders are`,
    );
  // Any user of the pod may write to it, unless a group of its own gets it.
  if (path.dirname(folder) === volumesFolder) await ensureFolder(folder);
  if (!(await stat(folder).catch(() => undefined)))
    throw mountProblem(volume, `path "${folder}" of persistentvolume "${name}" does not exist`);
  return folder;
}

async function ensureFolder(folder: string): Promise<void> {
  const made = await mkdir(folder, { recursive: true });
  if (made !== undefined) await chmod(folder, 0o777);
}
