import { mkdir, readFile, readdir, rmdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { sleep, type Clock } from '#base/clock.ts';

const ROOT = '/sys/fs/cgroup';

/** Whether the kernel killed something in the cgroup for want of memory; false once the cgroup is gone. */
export async function isOomKilled(cgroup: string, root = ROOT): Promise<boolean> {
  const files = [
    path.join(root, cgroup, 'memory.events'),
    path.join(root, 'memory', cgroup, 'memory.oom_control'),
  ];
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch(() => '');
    if (/^oom_kill [1-9]/m.test(text)) return true;
  }
  return false;
}

/** Lets what is frozen go on; also what is not. Version 2 has a file in every cgroup, version 1 a hierarchy of its own. */
export async function thawCgroup(cgroup: string): Promise<void> {
  const files = [
    [path.join(ROOT, cgroup, 'cgroup.freeze'), '0'],
    [path.join(ROOT, 'freezer', cgroup, 'freezer.state'), 'THAWED'],
  ] as const;
  for (const [file, state] of files) {
    try {
      await writeFile(file, state, { flag: 'r+' });
    } catch (error) {
      if (!hasCode(error, 'ENOENT', 'ENODEV')) throw error;
    }
  }
}

/**
 * Bounds how many processes all of the cgroup's containers have together, so that the rest of the machine can start some
 * too. Without effect where the machine counts no processes by cgroup, or lets nobody write there.
 */
export async function limitProcesses(
  cgroup: string,
  processes: number,
  root = ROOT,
): Promise<void> {
  for (const folder of [path.join(root, 'pids', cgroup), path.join(root, cgroup)]) {
    try {
      // Not below what is not there: in version 1 `pids` is a hierarchy of its own.
      await mkdir(folder);
    } catch (error) {
      if (!hasCode(error, 'EEXIST', 'ENOENT', 'EROFS')) throw error;
    }
    try {
      await writeFile(path.join(folder, 'pids.max'), String(processes), { flag: 'r+' });
      return;
    } catch (error) {
      if (!hasCode(error, 'ENOENT', 'EROFS', 'EACCES')) throw error;
    }
  }
}

function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

/** Killed processes leave their cgroup within moments; what the kernel does not let go of is left to the next start. */
const LOOKS_MAX = 200;
const LOOK_MS = 10;

/** SIGKILL for all that lives in the cgroup, in whatever hierarchy, until nobody does. */
export async function endCgroup(cgroup: string, clock: Clock): Promise<void> {
  const hierarchies = await readdir(ROOT, { withFileTypes: true });
  const roots = ['.', ...hierarchies.filter((each) => each.isDirectory()).map(({ name }) => name)];
  // Nothing is started there any more, by a fork bomb neither.
  await limitProcesses(cgroup, 0);
  for (let look = 0; look < LOOKS_MAX; look += 1) {
    const files = roots.map((root) => path.join(ROOT, root, cgroup, 'cgroup.procs'));
    const lists = await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => '')));
    const pids = new Set(lists.flatMap((list) => list.split('\n').map(Number)));
    // 0: who is in another process namespace than we are, which nobody of ours is.
    pids.delete(0);
    if (pids.size === 0) return;
    for (const pid of pids) killQuietly(pid);
    await sleep(clock, LOOK_MS);
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!hasCode(error, 'ESRCH')) throw error;
  }
}

/** Removes the cgroup and empty ones inside it, in every hierarchy (v1 has one a controller, v2 one). */
export async function removeCgroup(cgroup: string, root = ROOT): Promise<void> {
  const hierarchies = await readdir(root, { withFileTypes: true });
  const roots = hierarchies.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  for (const each of ['.', ...roots]) await removeEmpty(path.join(root, each, cgroup));
}

async function removeEmpty(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    if (entry.isDirectory()) await removeEmpty(path.join(folder, entry.name));
  }
  try {
    await rmdir(folder);
  } catch (error) {
    // EBUSY: somebody lives there; it is not ours to end.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'EBUSY') throw error;
  }
}
