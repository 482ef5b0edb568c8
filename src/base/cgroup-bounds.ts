import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { MachineResource } from '#base/machine-resource.ts';

/** What a controller's files are called: the limit, what is used, and what of it the kernel would give back. */
interface Files {
  readonly limit: string;
  readonly used: string;
  /** A file, and the field in it. */
  readonly spare?: readonly [file: string, field: string];
}

const VERSION_1: Readonly<Record<string, Files>> = {
  pids: { limit: 'pids.max', used: 'pids.current' },
  memory: {
    limit: 'memory.limit_in_bytes',
    used: 'memory.usage_in_bytes',
    spare: ['memory.stat', 'total_inactive_file'],
  },
};
const VERSION_2: Readonly<Record<string, Files>> = {
  pids: { limit: 'pids.max', used: 'pids.current' },
  memory: { limit: 'memory.max', used: 'memory.current', spare: ['memory.stat', 'inactive_file'] },
};

export type BoundOf = 'everybody' | 'process';

export interface CgroupPlaces {
  /** proc(5), /proc/PID/cgroup. */
  readonly membership: string;
  readonly root: string;
}

const OWN: CgroupPlaces = { membership: '/proc/self/cgroup', root: '/sys/fs/cgroup' };

/**
 * What cgroups leave, of the one that leaves the least: with `everybody` those that all processes to be seen from here are in,
 * as a container around the platform has one; with `process` also those that this process is in, as a service manager says.
 * Undefined where none has a limit.
 */
export async function smallestBound(
  controller: 'pids' | 'memory',
  of: BoundOf,
  { membership, root }: CgroupPlaces = OWN,
): Promise<MachineResource | undefined> {
  const lines = (await readFile(membership, 'utf8').catch(() => '')).split('\n');
  const bounds = lines.map(async (line) => {
    const [, controllers = '', cgroup = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    const isOwn = controllers.split(',').includes(controller);
    if (!isOwn && controllers !== '') return [];
    const files = (isOwn ? VERSION_1 : VERSION_2)[controller];
    const hierarchy = path.join(root, isOwn ? controllers : '');
    return files ? await boundsAbove(hierarchy, of === 'process' ? cgroup : '', files) : [];
  });
  const found = (await Promise.all(bounds)).flat();
  return found.toSorted((a, b) => a.available - b.available).at(0);
}

/** Of the cgroup and of those it is in. What of them is not to be seen from here is not known. */
async function boundsAbove(
  hierarchy: string,
  cgroup: string,
  { limit, used, spare }: Files,
): Promise<readonly MachineResource[]> {
  const names = cgroup.split('/').filter((name) => name !== '' && name !== '..');
  const folders = names.map((_, at) => path.join(hierarchy, ...names.slice(0, at + 1)));
  const bounds = [hierarchy, ...folders].map(async (folder) => {
    const read = async (file: string): Promise<string> =>
      await readFile(path.join(folder, file), 'utf8').catch(() => '');
    const total = Number.parseInt(await read(limit), 10);
    // `max`, or no such file.
    if (!Number.isFinite(total)) return [];
    const [file, field] = spare ?? [];
    const text = file === undefined ? '' : await read(file);
    const back = Number(new RegExp(`^${field} (\\d+)`, 'm').exec(text)?.[1] ?? 0);
    const taken = Number.parseInt(await read(used), 10) || 0;
    return [{ available: Math.max(0, total - taken + back), total }];
  });
  return (await Promise.all(bounds)).flat();
}
