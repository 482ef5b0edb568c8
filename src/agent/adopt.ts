import { readdir } from 'node:fs/promises';
import path from 'node:path';
import type { Pod } from '#api/core-v1/pod.ts';
import type { AgentParts } from '#agent/agent-parts.ts';
import { readPodRecords, type PodRecord } from '#agent/pods/pod-record.ts';
import { PodSandbox } from '#agent/pods/pod-sandbox.ts';
import { isPreparedAs } from '#agent/prepared/prepared-sandbox.ts';
import { removeMounted } from '#agent/rootfs.ts';
import { endCgroup, removeCgroup } from '#agent/runtime/runc/cgroup.ts';

export interface AdoptOptions {
  /** The pod of this uid, where it still exists in the API. */
  readonly podOf: (uid: string) => Pod | undefined;
  /** The instance's cgroup, above those of its containers. */
  readonly cgroup: string;
}

export interface Adopted {
  /** Of pods that exist. */
  readonly pods: readonly PodSandbox[];
  /** Started before their objects were made: they serve requests already. */
  readonly started: readonly PodSandbox[];
}

/**
 * The sandboxes that an earlier process left and that somebody still wants. Everything else of this instance on the
 * machine is removed: what is half made, what was only prepared, and what belongs to no record at all. What cannot be
 * removed is logged and left to the next start: it must not keep the others from theirs.
 */
export async function adoptSandboxes(
  parts: AgentParts,
  { podOf, cgroup }: AdoptOptions,
): Promise<Adopted> {
  const [known, found] = await Promise.all([
    parts.runtime.list(),
    readPodRecords(parts.podsFolder),
  ]);
  const attempt = async (failure: string, what: string, task: () => Promise<void>) => {
    try {
      await task();
    } catch (error) {
      parts.log.error(`agent: what an earlier process left could not be ${failure}`, {
        what,
        error,
      });
    }
  };
  const sweep = (what: string, remove: () => Promise<void>): Promise<void> =>
    attempt('removed', what, remove);
  const running = new Set(known.filter(({ state }) => state === 'running').map(({ id }) => id));
  const pods: PodSandbox[] = [];
  const started: PodSandbox[] = [];
  const orphans: PodSandbox[] = [];
  for (const { folder, record } of found) {
    if (!record) await sweep(folder, async () => await removeMounted(folder));
    else {
      const sandbox = new PodSandbox(parts, record, known);
      // Also of an orphan: what cannot be removed keeps its address.
      parts.addresses.reserve(record.address);
      const fate = fateOf(record, { pod: podOf(record.uid), running });
      ({ pods, started, orphans })[fate].push(sandbox);
    }
  }
  for (const sandbox of pods) {
    if (!sandbox.record.prepared) continue;
    await attempt('taken over whole', sandbox.folder, async () => {
      await sandbox.thaw();
      await sandbox.bind();
    });
  }
  // It was perhaps about to be called.
  for (const sandbox of started)
    await attempt('taken over whole', sandbox.folder, async () => await sandbox.thaw());
  for (const orphan of orphans) await sweep(orphan.folder, async () => await orphan.remove());
  const kept = [...pods, ...started];
  const owned = new Set(kept.flatMap(({ ids }) => ids));
  for (const { id } of known)
    if (!owned.has(id)) await sweep(id, async () => await parts.runtime.delete(id));
  const addresses = new Set(kept.map(({ address }) => address));
  for (const address of await parts.network.list())
    if (!addresses.has(address))
      await sweep(address, async () => await parts.network.remove(address));
  for (const name of await cgroupsBelow(cgroup))
    if (!owned.has(name))
      await sweep(name, async () => {
        await endCgroup(path.join(cgroup, name), parts.clock);
        await removeCgroup(path.join(cgroup, name));
      });
  return { pods, started };
}

function fateOf(
  { prepared, containers }: PodRecord,
  { pod, running }: { readonly pod: Pod | undefined; readonly running: ReadonlySet<string> },
): keyof Adopted | 'orphans' {
  if (!prepared) return pod ? 'pods' : 'orphans';
  // What was only prepared is soon prepared again, as things are now.
  if (!Object.values(containers).some(({ id }) => running.has(id))) return 'orphans';
  if (!pod) return 'started';
  return isPreparedAs(prepared, pod) ? 'pods' : 'orphans';
}
/** The same name in every hierarchy, so looking at two that always exist is enough. */
async function cgroupsBelow(cgroup: string): Promise<ReadonlySet<string>> {
  const roots = ['/sys/fs/cgroup', '/sys/fs/cgroup/memory'];
  const lists = await Promise.all(
    roots.map((root) => readdir(path.join(root, cgroup), { withFileTypes: true }).catch(() => [])),
  );
  return new Set(
    lists
      .flat()
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name),
  );
}
