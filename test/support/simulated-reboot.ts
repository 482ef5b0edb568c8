import { globSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { removeNetwork } from '#agent/network/host-network.ts';
import { ensureRanges } from '#agent/network/ranges.ts';
import { removeCgroup } from '#agent/runtime/runc/cgroup.ts';
import { instanceCgroup, runtimeFolder } from '#agent/runtime/runc/runc-runtime.ts';
import { instanceOf, networkFileOf } from '#supervisor/settings.ts';
import { run } from '#test/support/platform.ts';

/** Leaves of a platform what a power cut leaves: its home on disk. Everything else of it goes, without a word to anybody. */
export async function simulateReboot(home: string): Promise<void> {
  const instance = instanceOf(home);
  // Whoever is killed first may start another: until nobody is left.
  while (killAll(home, instance) > 0);
  const mounts = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((target) => target.startsWith(`${home}/`))
    .toSorted((a, b) => b.length - a.length);
  for (const target of mounts) await run(['umount', '--lazy', target]);
  await removeNetwork(instance, await ensureRanges(networkFileOf(home), instance));
  await removeCgroup(instanceCgroup(instance));
  for (const folder of [runtimeFolder(instance), path.join(home, 'run')])
    rmSync(folder, { recursive: true, force: true });
}

/** The ports that the platform chose for itself, as flags: addresses of Services and images name them. */
export function portFlags(home: string): string[] {
  const record = JSON.parse(readFileSync(path.join(home, 'run/gateway.json'), 'utf8')) as {
    settings: string;
  };
  const settings = JSON.parse(record.settings) as Record<string, number>;
  const flags = {
    'http-port': 'httpPort',
    'https-port': 'httpsPort',
    'api-port': 'apiPort',
    'registry-port': 'registryPort',
  };
  return Object.entries(flags).flatMap(([flag, key]) => [`--${flag}`, String(settings[key])]);
}

/** How many there were. */
function killAll(home: string, instance: string): number {
  const contained = globSync(`/sys/fs/cgroup/{,*/}knode-${instance}/**/cgroup.procs`).flatMap(
    (file) => readOrEmpty(file).split('\n').filter(Boolean).map(Number),
  );
  const pids = new Set([...contained, ...ownProcesses(home, instance)]);
  for (const pid of pids) killQuietly(pid);
  return pids.size;
}

/** The parts of the platform by the home in their environment, conmon by the instance in its arguments. */
function ownProcesses(home: string, instance: string): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids
    .filter((pid) => {
      const status = readOrEmpty(`/proc/${pid}/stat`);
      if (/\) Z /.test(status)) return false;
      const command = readOrEmpty(`/proc/${pid}/cmdline`);
      if (/\/conmon\0/.test(command) && command.includes(`knode-${instance}`)) return true;
      const environment = readOrEmpty(`/proc/${pid}/environ`).split('\0');
      return /src\/main\.ts/.test(command) && environment.includes(`KNODE_HOME=${home}`);
    })
    .map(Number);
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return ''; // It ended meanwhile.
  }
}
