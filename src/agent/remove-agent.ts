import { rm } from 'node:fs/promises';
import path from 'node:path';
import type { Clock } from '#base/clock.ts';
import { removeNetwork } from '#agent/network/host-network.ts';
import type { NetworkRanges } from '#agent/network/ranges.ts';
import { removeMounted } from '#agent/rootfs.ts';
import { removeCgroup } from '#agent/runtime/runc/cgroup.ts';
import { instanceCgroup, openRunc, runtimeFolder } from '#agent/runtime/runc/runc-runtime.ts';

export interface RemoveAgentOptions {
  readonly home: string;
  readonly instance: string;
  readonly ranges: NetworkRanges;
  readonly clock: Clock;
}

/** Removes every trace of an agent that is not running: containers, mounts, namespaces, rules, routes, cgroups, files. */
export async function removeAgent({
  home,
  instance,
  ranges,
  clock,
}: RemoveAgentOptions): Promise<void> {
  {
    await using runtime = await openRunc({ instance, clock });
    for (const { id } of await runtime.list()) await runtime.delete(id);
  }
  await removeMounted(path.join(home, 'agent'));
  await removeNetwork(instance, ranges);
  await removeCgroup(instanceCgroup(instance));
  await rm(runtimeFolder(instance), { recursive: true, force: true });
}
