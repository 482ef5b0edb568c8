import { readdir, readFile } from 'node:fs/promises';
import type { MachineResource } from '#base/machine-resource.ts';
import { machineResources } from '#base/machine-resources.ts';

/** One thing that the platform can run out of. */
export interface LimitReport extends MachineResource {
  readonly name: string;
  readonly unit: 'bytes' | 'count';
  /** What to do, where little is left. */
  readonly advice: string;
}

/** Less than this share left is worth a word. */
const SHORT_SHARE = 0.1;
const GIB = 1024 ** 3;

/**
 * The machine's own limits as the platform meets them: memory, disk of the home, processes, and the open files of each
 * part, which only its own owner and root may count: left out otherwise.
 */
export async function machineReport(
  home: string,
  parts: readonly { readonly name: string; readonly pid?: number | undefined }[],
): Promise<readonly LimitReport[]> {
  const { memory, disk, inodes, processes } = await machineResources(home, 'process');
  const files = await Promise.all(parts.map(async ({ name, pid }) => await filesOf(name, pid)));
  return [
    { name: 'memory', unit: 'bytes', ...memory, advice: 'stop something, or delete pods' },
    { name: 'disk', unit: 'bytes', ...disk, advice: "make room, or run 'knode image prune --all'" },
    { name: 'inodes', unit: 'count', ...inodes, advice: 'remove small files from the disk' },
    {
      name: 'processes',
      unit: 'count',
      ...processes,
      advice: 'raise kernel.pid_max and kernel.threads-max, or delete pods',
    },
    ...files.filter((report) => report !== undefined),
  ];
}

/** One line: `8.1 of 23.5 GiB free`. */
export function describeLimit({ available, total, unit }: LimitReport): string {
  return unit === 'bytes'
    ? `${(available / GIB).toFixed(1)} of ${(total / GIB).toFixed(1)} GiB free`
    : `${available} of ${total} free`;
}

export function isShort({ available, total }: MachineResource): boolean {
  return total > 0 && available < total * SHORT_SHARE;
}

async function filesOf(name: string, pid: number | undefined): Promise<LimitReport | undefined> {
  if (pid === undefined) return undefined;
  try {
    const [open, limits] = await Promise.all([
      readdir(`/proc/${pid}/fd`),
      readFile(`/proc/${pid}/limits`, 'utf8'),
    ]);
    const total = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? 0);
    const advice =
      "raise the limit of open files ('ulimit -n', LimitNOFILE=) and start knode again";
    return {
      name: `files of ${name}`,
      unit: 'count',
      available: total - open.length,
      total,
      advice,
    };
  } catch {
    return undefined; // It ended meanwhile, or is not ours to look into.
  }
}
