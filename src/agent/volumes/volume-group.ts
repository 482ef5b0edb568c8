import { chmod, chown, readdir, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { openPath, pathOf } from '#agent/volumes/open-path.ts';

export interface GroupRights {
  readonly gid: number;
  /** core/v1 PodSecurityContext.fsGroupChangePolicy: `OnRootMismatch` trusts the folder itself. */
  readonly policy?: string | undefined;
}

const FILE_RIGHTS = 0o660;
/** What is made in the folder belongs to its group, too. */
const FOLDER_RIGHTS = 0o2770;

/** Gives a folder and all in it to a group that may read and write it. Links stay as they are, and nothing is changed through one. */
export async function giveToGroup(folder: string, { gid, policy }: GroupRights): Promise<void> {
  const handle = await openPath(folder);
  try {
    const root = await handle.stat();
    const isGiven = root.gid === gid && (root.mode & FOLDER_RIGHTS) === FOLDER_RIGHTS;
    if (policy === 'OnRootMismatch' && isGiven) return;
    await give(handle, gid);
  } finally {
    await handle.close();
  }
}

/** The folder last: while it is not the group's, a later call begins again. */
async function give(handle: FileHandle, gid: number): Promise<void> {
  const found = await handle.stat();
  if (found.isSymbolicLink()) return;
  const self = pathOf(handle);
  if (found.isDirectory()) {
    for (const name of await readdir(self)) {
      const child = await openPath(path.join(self, name)).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined;
        throw error;
      });
      if (!child) continue;
      try {
        await give(child, gid);
      } finally {
        await child.close();
      }
    }
  }
  const rights = found.isDirectory() ? FOLDER_RIGHTS : FILE_RIGHTS;
  if (found.gid !== gid) await chown(self, found.uid, gid);
  await chmod(self, (found.mode & 0o7777) | rights);
}
