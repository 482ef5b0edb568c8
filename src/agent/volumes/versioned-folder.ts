import {
  chmod,
  lchown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import path from 'node:path';

export interface VolumeFile {
  /** Relative to the volume; neither climbs nor begins with two dots. */
  readonly path: string;
  readonly data: Buffer;
  readonly mode: number;
  /** Root where absent. */
  readonly uid?: number;
}

/** The link that programs watch: all files change at once when it does. */
const DATA = '..data';
const FOLDER_MODE = 0o755;

/**
 * Makes the folder hold these files and no others, as the kubelet does: they are in a folder of their own that `..data`
 * leads to, and each name is a link through it; so a reader sees either all old files or all new ones. What is there
 * already is left alone. After a death at any instruction the next call finishes. All belong to `gid`.
 */
export async function writeVersioned(
  folder: string,
  files: readonly VolumeFile[],
  gid = 0,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const current = await readlink(path.join(folder, DATA)).catch(() => undefined);
  const isKept = current !== undefined && (await holds(path.join(folder, current), files, gid));
  const version = isKept ? current : await writeVersion(folder, files, gid);
  if (!isKept) {
    const next = path.join(folder, `${DATA}_tmp`);
    await rm(next, { force: true });
    await symlink(version, next);
    await rename(next, path.join(folder, DATA));
  }
  const names = new Set(files.map((file) => file.path.split('/')[0] ?? ''));
  const present = new Set(await readdir(folder));
  for (const name of names.difference(present))
    await symlink(path.join(DATA, name), path.join(folder, name));
  for (const name of present.difference(names)) {
    if (name !== DATA && name !== version)
      await rm(path.join(folder, name), { recursive: true, force: true });
  }
}

async function writeVersion(
  folder: string,
  files: readonly VolumeFile[],
  gid: number,
): Promise<string> {
  const version = await mkdtemp(path.join(folder, '..version-'));
  await chmod(version, FOLDER_MODE);
  for (const { path: name, data, mode, uid = 0 } of files) {
    const file = path.join(version, name);
    await mkdir(path.dirname(file), { recursive: true, mode: FOLDER_MODE });
    await writeFile(file, data, { flag: 'wx' });
    await lchown(file, uid, gid);
    // After the owner, whose change may take rights away; and the umask has none to take.
    await chmod(file, mode);
  }
  return path.basename(version);
}

async function holds(version: string, files: readonly VolumeFile[], gid: number): Promise<boolean> {
  const found = await readdir(version, { withFileTypes: true, recursive: true }).catch(() => []);
  if (found.filter((entry) => !entry.isDirectory()).length !== files.length) return false;
  for (const { path: name, data, mode, uid = 0 } of files) {
    const file = path.join(version, name);
    const is = await stat(file).catch(() => undefined);
    if (!is?.isFile() || is.size !== data.length || (is.mode & 0o7777) !== mode) return false;
    if (is.uid !== uid || is.gid !== gid || !data.equals(await readFile(file))) return false;
  }
  return true;
}
