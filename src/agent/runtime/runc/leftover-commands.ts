import { readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { killTree } from '#agent/runtime/runc/process-tree.ts';

/** Each process of ours has its own; see `endLeftovers`. */
export function commandPrefix(folder: string, count: number): string {
  return path.join(folder, `exec-${process.pid}-${count}`);
}

/**
 * Ends what earlier processes ran in containers for clients that went with them, and removes the files of it. `cgroup` is
 * above those of the containers: a process id may be somebody else's by now.
 */
export async function endLeftovers(folder: string, cgroup: string): Promise<void> {
  const names = (await readdir(folder)).filter(
    (name) => name.startsWith('exec-') && !name.startsWith(`exec-${process.pid}-`),
  );
  for (const name of names) {
    const file = path.join(folder, name);
    const pid = name.endsWith('.pid') ? Number(await readFile(file, 'utf8').catch(() => '')) : 0;
    const own = pid > 0 ? await readFile(`/proc/${pid}/cgroup`, 'utf8').catch(() => '') : '';
    if (own.includes(`${cgroup}/`)) await killTree(pid);
    await rm(file, { force: true });
  }
}
