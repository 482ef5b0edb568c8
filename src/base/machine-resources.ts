import { readFile, statfs } from 'node:fs/promises';

/** How much of something a machine has, and how much of it is still to be had. */
export interface MachineResource {
  readonly available: number;
  readonly total: number;
}

/** Of which a machine can run out; `disk` (bytes) and `inodes` are those of one file system, `memory` is in bytes. */
export interface MachineResources {
  readonly memory: MachineResource;
  readonly disk: MachineResource;
  readonly inodes: MachineResource;
  /** Threads included, as the kernel counts. */
  readonly processes: MachineResource;
}

/** What there is now, for the file system that `folder` is on. */
export async function machineResources(folder: string): Promise<MachineResources> {
  const [memory, disk, pidMax, threadsMax, load] = await Promise.all([
    readFile('/proc/meminfo', 'utf8'),
    statfs(folder),
    readNumber('/proc/sys/kernel/pid_max'),
    readNumber('/proc/sys/kernel/threads-max'),
    readFile('/proc/loadavg', 'utf8'),
  ]);
  const kilobytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(memory)?.[1] ?? 0) * 1024;
  // The fourth field: how many run, a slash, how many there are (proc(5)).
  const tasks = Number(/\/(\d+) /.exec(load)?.[1] ?? 0);
  const processes = Math.min(pidMax, threadsMax);
  return {
    memory: { available: kilobytes('MemAvailable'), total: kilobytes('MemTotal') },
    disk: { available: disk.bavail * disk.bsize, total: disk.blocks * disk.bsize },
    inodes: { available: disk.ffree, total: disk.files },
    processes: { available: Math.max(0, processes - tasks), total: processes },
  };
}

async function readNumber(file: string): Promise<number> {
  return Number(await readFile(file, 'utf8'));
}
