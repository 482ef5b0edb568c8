import { chmod, chown, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { runCommand } from '#base/command.ts';
import type { EmptyDirVolumeSource, Volume } from '#api/generated/core-v1.ts';
import { amountOf } from '#api/meta/quantity.ts';
import { claimPath } from '#agent/volumes/claim-path.ts';
import { configFiles, type ConfigSources } from '#agent/volumes/config-files.ts';
import { ContainerProblem, mountProblem } from '#agent/pods/container-problem.ts';
import { hostPath } from '#agent/volumes/host-path.ts';
import { writeVersioned } from '#agent/volumes/versioned-folder.ts';
import { giveToGroup } from '#agent/volumes/volume-group.ts';
import { isMounted } from '#agent/rootfs.ts';

export interface VolumeSources extends ConfigSources {
  /** Every volume of the pod's own is a folder in it, named after the volume. */
  readonly folder: string;
  /** Where persistent volumes are that the platform makes. */
  readonly volumesFolder: string;
}

/** Where a volume is on this machine, and whether containers may write to it. */
export interface VolumePlace {
  readonly path: string;
  readonly isWritable: boolean;
}

/**
 * Makes a pod's volumes, or brings them up to date: called again it changes those files only whose content has changed,
 * and writes new tokens. Throws ContainerProblem for what is missing, or is of a type that is not there.
 */
export async function writeVolumes(sources: VolumeSources): Promise<void> {
  await Promise.all(
    (sources.pod.spec?.volumes ?? []).map(async (volume) => {
      try {
        await writeVolume(volume, sources);
      } catch (error) {
        if (!(error instanceof ContainerProblem) || error.reason === 'FailedMount') throw error;
        throw mountProblem(volume.name, error.message);
      }
    }),
  );
}

/** Where a container finds the volume. Throws ContainerProblem. */
export async function placeOf(
  volume: Volume,
  sources: Pick<VolumeSources, 'pod' | 'client' | 'folder' | 'volumesFolder'>,
): Promise<VolumePlace> {
  const { pod, client, volumesFolder, folder } = sources;
  const { metadata } = pod;
  if (volume.hostPath)
    return { path: await hostPath(volume.name, volume.hostPath), isWritable: true };
  // A generic ephemeral volume's claim has the name of both (core/v1 EphemeralVolumeSource).
  const claimName =
    volume.persistentVolumeClaim?.claimName ??
    (volume.ephemeral && `${metadata.name ?? ''}-${volume.name}`);
  if (claimName === undefined)
    return { path: path.join(folder, volume.name), isWritable: volume.emptyDir !== undefined };
  const where = { client, namespace: metadata.namespace ?? '', volumesFolder };
  return {
    path: await claimPath(volume.name, claimName, where),
    isWritable: volume.persistentVolumeClaim?.readOnly !== true,
  };
}

async function writeVolume(volume: Volume, sources: VolumeSources): Promise<void> {
  const folder = path.join(sources.folder, volume.name);
  const { fsGroup: gid, fsGroupChangePolicy: policy } = sources.pod.spec?.securityContext ?? {};
  if (volume.emptyDir) return await makeEmptyDir(folder, volume.emptyDir, gid);
  if (volume.hostPath ?? volume.persistentVolumeClaim ?? volume.ephemeral) {
    const place = await placeOf(volume, sources);
    if (gid !== undefined && !volume.hostPath && place.isWritable)
      await giveToGroup(place.path, { gid, policy });
    return;
  }
  const files = await configFiles(volume, sources);
  if (!files) {
    const type = Object.keys(volume).find((key) => key !== 'name') ?? 'none';
    throw mountProblem(volume.name, `volumes of type ${type} are not there`);
  }
  const readable = files.map((file) => ({ ...file, mode: file.mode | GROUP_READS }));
  await writeVersioned(folder, gid === undefined ? files : readable, gid);
}

/** Nobody writes to such files; their group reads them. */
const GROUP_READS = 0o440;

/** Any user of the pod may write to it. */
async function makeEmptyDir(
  folder: string,
  { medium = '', sizeLimit }: EmptyDirVolumeSource,
  gid: number | undefined,
): Promise<void> {
  if (medium !== '' && medium !== 'Memory')
    throw mountProblem(path.basename(folder), `emptyDir medium "${medium}" is not there`);
  const isNew = (await mkdir(folder, { recursive: true })) !== undefined;
  // A boot takes the memory away and leaves the folder.
  const isMissing = medium === 'Memory' && (isNew || !(await isMounted(folder)));
  if (isMissing) {
    const size = sizeLimit === undefined ? [] : [`size=${Math.ceil(amountOf(sizeLimit))}`];
    const options = ['nosuid', 'nodev', ...size].join(',');
    await runCommand(['mount', '-t', 'tmpfs', '-o', options, 'tmpfs', folder]);
  }
  if (!isNew && !isMissing) return;
  if (gid !== undefined) await chown(folder, 0, gid);
  await chmod(folder, gid === undefined ? 0o777 : 0o2777);
}
