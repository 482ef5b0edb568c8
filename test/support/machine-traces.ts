import { readdirSync, readFileSync } from 'node:fs';
import { instanceOf } from '#supervisor/settings.ts';
import { run } from '#test/support/platform.ts';

/** What a platform could leave on a machine, besides its home. */
export interface MachineTraces {
  readonly processes: readonly string[];
  readonly mounts: readonly string[];
  readonly namespaces: readonly string[];
  readonly links: readonly string[];
  readonly addresses: readonly string[];
  readonly routes: readonly string[];
  readonly tables: readonly string[];
  readonly cgroups: readonly string[];
}

/** Sorted, so that two looks can be compared. */
export async function machineTraces(): Promise<MachineTraces> {
  return {
    processes: processes(),
    mounts: lines(readFileSync('/proc/mounts', 'utf8')).map((line) => line.split(' ')[1] ?? ''),
    namespaces: await output(['ip', 'netns', 'list']),
    links: (await output(['ip', '-o', 'link'])).map((line) => line.split(':')[1]?.trim() ?? ''),
    addresses: (await output(['ip', '-o', '-4', 'addr'])).map((line) => line.split(/\s+/)[3] ?? ''),
    routes: await output(['ip', '-4', 'route', 'show', 'table', 'all']),
    tables: await output(['nft', 'list', 'tables']),
    cgroups: cgroups(),
  };
}

/** Those that name a platform's home or instance, each with what it is. */
export async function tracesOf(home: string): Promise<string[]> {
  const instance = instanceOf(home);
  const traces = await machineTraces();
  return Object.entries(traces).flatMap(([what, names]: [string, readonly string[]]) =>
    names
      .filter((name) => name.includes(instance) || name.includes(home))
      .map((name) => `${what}: ${name}`),
  );
}

/** Of container tools and of ours; what else runs on the machine comes and goes by itself. */
function processes(): string[] {
  const found: string[] = [];
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const command = readOrEmpty(`/proc/${pid}/cmdline`).replaceAll('\0', ' ');
    if (/^(\S*\/)?(conmon|runc)\b|src\/main\.ts (up|run)/.test(command)) found.push(command);
  }
  return found.toSorted();
}

function cgroups(): string[] {
  const root = '/sys/fs/cgroup';
  const found: string[] = [];
  for (const controller of ['.', ...readdirSync(root)]) {
    for (const name of namesIn(`${root}/${controller}`)) {
      if (name.startsWith('knode')) found.push(`${controller}/${name}`);
    }
  }
  return found.toSorted();
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // A file, or gone meanwhile.
  }
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return ''; // The process ended meanwhile.
  }
}

async function output(command: readonly [string, ...string[]]): Promise<string[]> {
  return lines((await run(command)).stdout);
}

function lines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .toSorted();
}
