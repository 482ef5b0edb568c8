import { lstat, readdir } from 'node:fs/promises';
import path from 'node:path';

/** A device node as runc makes it (OCI runtime spec, config-linux, devices). */
export interface OciDevice {
  readonly path: string;
  readonly type: 'b' | 'c';
  readonly major: number;
  readonly minor: number;
  readonly fileMode: number;
  readonly uid: number;
  readonly gid: number;
}

/** What every container has its own of. */
const OWN = new Set(['pts', 'shm', 'fd', 'mqueue', 'console', '.lxc', '.lxd-mounts']);

/** Every device of the machine. */
export async function hostDevices(folder = '/dev'): Promise<readonly OciDevice[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const found = await Promise.all(
    entries.map(async (entry): Promise<readonly OciDevice[]> => {
      const file = path.join(folder, entry.name);
      if (entry.isDirectory()) return OWN.has(entry.name) ? [] : await hostDevices(file);
      if (OWN.has(entry.name)) return [];
      if (!entry.isCharacterDevice() && !entry.isBlockDevice()) return [];
      // It may go meanwhile, as devices do.
      const is = await lstat(file).catch(() => undefined);
      if (!is) return [];
      const type = entry.isBlockDevice() ? 'b' : 'c';
      const { uid, gid, mode } = is;
      return [{ path: file, type, ...numbersOf(is.rdev), fileMode: mode & 0o777, uid, gid }];
    }),
  );
  return found.flat();
}

/** As glibc's makedev packs them. */
function numbersOf(rdev: number): { readonly major: number; readonly minor: number } {
  const device = BigInt(rdev);
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn);
  const minor = (device & 0xffn) | ((device >> 12n) & ~0xffn);
  return { major: Number(major), minor: Number(minor) };
}
