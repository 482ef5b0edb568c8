import { readFileSync } from 'node:fs';
import { readFile, statfs } from 'node:fs/promises';
import { smallestBound, type BoundOf } from '#base/cgroup-bounds.ts';
import type { MachineResource } from '#base/machine-resource.ts';

/** Of which a machine can run out; `disk` (bytes) and `inodes` are those of one file system, `memory` is in bytes. */
export interface MachineResources {
  readonly memory: MachineResource;
  readonly disk: MachineResource;
  readonly inodes: MachineResource;
  /** Threads included, as the kernel counts. */
  readonly processes: MachineResource;
}

/** What there is now, for `process` only this one or for everybody, pods too; of the file system that `folder` is on. */
export async function machineResources(
  folder: string,
  of: BoundOf = 'everybody',
): Promise<MachineResources> {
  const [memory, disk, pidMax, threadsMax, load, pidsBound, memoryBound] = await Promise.all([
    readFile('/proc/meminfo', 'utf8'),
    statfs(folder),
    readNumber('/proc/sys/kernel/pid_max'),
    readNumber('/proc/sys/kernel/threads-max'),
    readFile('/proc/loadavg', 'utf8'),
    smallestBound('pids', of),
    smallestBound('memory', of),
  ]);
  const kilobytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(memory)?.[1] ?? 0) * 1024;
  // The fourth field: how many run, a slash, how many there are (proc(5)).
  const tasks = Number(/\/(\d+) /.exec(load)?.[1] ?? 0);
  const processes = Math.min(pidMax, threadsMax);
  return {
    memory: lesser(
      { available: kilobytes('MemAvailable'), total: kilobytes('MemTotal') },
      memoryBound,
    ),
    disk: { available: disk.bavail * disk.bsize, total: disk.blocks * disk.bsize },
    inodes: { available: disk.ffree, total: disk.files },
    processes: lesser({ available: Math.max(0, processes - tasks), total: processes }, pidsBound),
  };
}

/** Whichever leaves less. */
function lesser(machine: MachineResource, bound: MachineResource | undefined): MachineResource {
  return bound && bound.available < machine.available ? bound : machine;
}

/** How many files this process may open: Node has raised its own limit to what the machine allows. Read at a start. */
export function openFilesMax(): number {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? 0);
}

async function readNumber(file: string): Promise<number> {
  return Number(await readFile(file, 'utf8'));
}
