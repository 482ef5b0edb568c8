import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Usage } from '#agent/runtime/runtime.ts';

const ROOT = '/sys/fs/cgroup';

/**
 * What the processes of a cgroup use, read from whichever hierarchy has the controllers: v2's one, or v1's one a
 * controller (a hybrid is v1 with an empty v2 beside it). Undefined once the cgroup is gone.
 */
export async function cgroupUsage(cgroup: string, root = ROOT): Promise<Usage | undefined> {
  const read = (...parts: string[]): Promise<string | undefined> =>
    readFile(path.join(root, ...parts), 'utf8').catch(() => undefined);
  return (await usageV2(cgroup, read)) ?? (await usageV1(cgroup, read));
}

type Read = (...parts: string[]) => Promise<string | undefined>;

async function usageV2(cgroup: string, read: Read): Promise<Usage | undefined> {
  const memory = await read(cgroup, 'memory.current');
  if (memory === undefined) return undefined;
  const [cpu, stat, processes] = await Promise.all([
    read(cgroup, 'cpu.stat'),
    read(cgroup, 'memory.stat'),
    read(cgroup, 'pids.current'),
  ]);
  const micros = fieldOf(cpu, 'usage_usec');
  return usageOf(micros === undefined ? undefined : micros * 1000, {
    used: Number(memory),
    inactive: fieldOf(stat, 'inactive_file'),
    processes: Number(processes ?? 0),
  });
}

async function usageV1(cgroup: string, read: Read): Promise<Usage | undefined> {
  const [cpu, memory, stat, processes] = await Promise.all([
    read('cpuacct', cgroup, 'cpuacct.usage'),
    read('memory', cgroup, 'memory.usage_in_bytes'),
    read('memory', cgroup, 'memory.stat'),
    read('pids', cgroup, 'pids.current'),
  ]);
  if (cpu === undefined || memory === undefined) return undefined;
  const inactive = fieldOf(stat, 'total_inactive_file');
  const used = Number(memory);
  return usageOf(Number(cpu), { used, inactive, processes: Number(processes ?? 0) });
}

/** Kubernetes' working set: files that were read once and are not in use are no reason to scale or to evict. */
function usageOf(
  cpuNanos: number | undefined,
  { used, inactive = 0, processes }: Counted,
): Usage | undefined {
  return cpuNanos === undefined
    ? undefined
    : { cpuNanos, memoryBytes: Math.max(0, used - inactive), processes };
}

interface Counted {
  readonly used: number;
  readonly inactive: number | undefined;
  readonly processes: number;
}

function fieldOf(text: string | undefined, name: string): number | undefined {
  const line = text?.split('\n').find((each) => each.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.slice(name.length + 1));
}
