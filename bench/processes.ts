import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** Processes that a platform started, by id. */
export interface PlatformProcesses {
  /** Its own: supervisor, control, gateway, conmon, and what waits in created containers. */
  readonly own: readonly number[];
  /** What runs in containers and is somebody's program. */
  readonly programs: readonly number[];
}

interface Seen {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
}

/** runc's process that waits in a created container until it is told to become the program. */
const WAITING = /^(\S*\/)?runc init\b/;

export function platformProcesses(home: string): PlatformProcesses {
  const all = processes();
  const parts = all.filter(
    ({ pid, command }) =>
      / \S*src\/main\.ts (up|run)\b/.test(command) &&
      environmentOf(pid).includes(`KNODE_HOME=${home}`),
  );
  const keepers = all.filter(
    ({ command }) => /^(\S*\/)?conmon /.test(command) && command.includes(home),
  );
  const inside = keepers.flatMap(({ pid }) => all.filter(({ parent }) => parent === pid));
  const waiting = inside.filter(({ command }) => WAITING.test(command));
  const programs = new Set(inside.flatMap(({ pid }) => membersOf(pid)));
  for (const { pid } of waiting) programs.delete(pid);
  return {
    own: [...parts, ...keepers, ...waiting].map(({ pid }) => pid),
    programs: [...programs],
  };
}

/** Bytes that the machine would get back if they ended: proportional shares, as proc(5) has them in smaps_rollup. */
export function memoryOf(pids: readonly number[]): number {
  const kilobytes = pids.map((pid) =>
    Number(/^Pss:\s+(\d+) kB$/m.exec(readOrEmpty(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0),
  );
  return kilobytes.reduce((sum, each) => sum + each, 0) * 1024;
}

/** All of the cgroup that the process is in: v2's, or that of v1's controller of processes. */
function membersOf(pid: number): readonly number[] {
  const lines = readOrEmpty(`/proc/${pid}/cgroup`).split('\n');
  const cgroups = lines.flatMap((line) => {
    const [, controllers, cgroup = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === '') return [cgroup];
    return controllers?.split(',').includes('pids') ? [path.join('pids', cgroup)] : [];
  });
  return cgroups
    .filter((cgroup) => cgroup.includes('knode'))
    .flatMap((cgroup) =>
      readOrEmpty(path.join('/sys/fs/cgroup', cgroup, 'cgroup.procs'))
        .split('\n')
        .filter((line) => line !== '')
        .map(Number),
    );
}

function processes(): readonly Seen[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => ({
      pid: Number(name),
      parent: Number(/^PPid:\s+(\d+)$/m.exec(readOrEmpty(`/proc/${name}/status`))?.[1] ?? 0),
      command: readOrEmpty(`/proc/${name}/cmdline`).replaceAll('\0', ' ').trim(),
    }));
}

function environmentOf(pid: number): readonly string[] {
  return readOrEmpty(`/proc/${pid}/environ`).split('\0');
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return ''; // It ended meanwhile.
  }
}
