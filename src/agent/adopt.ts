import { readdir } from 'node:fs/promises';
import path from 'node:path';
import type { AgentParts } from '#agent/agent-parts.ts';
import { readPodRecords, type PodRecord } from '#agent/pods/pod-record.ts';
import { PodSandbox } from '#agent/pods/pod-sandbox.ts';
import { removeMounted } from '#agent/rootfs.ts';
import { removeCgroup } from '#agent/runtime/runc/cgroup.ts';

export interface AdoptOptions {
  /** Whether a pod of this uid still exists in the API. */
  readonly isWanted: (record: PodRecord) => boolean;
  /** The instance's cgroup, above those of its containers. */
  readonly cgroup: string;
}

/**
 * The sandboxes that an earlier process left and that somebody still wants. Everything else of this instance on the
 * machine is removed: what is half made, what was only prepared, and what belongs to no record at all.
 */
export async function adoptSandboxes(
  parts: AgentParts,
  { isWanted, cgroup }: AdoptOptions,
): Promise<readonly PodSandbox[]> {
  const [known, found] = await Promise.all([
    parts.runtime.list(),
    readPodRecords(parts.podsFolder),
  ]);
  const adopted: PodSandbox[] = [];
  const orphans: PodSandbox[] = [];
  for (const { folder, record } of found) {
    if (!record) await removeMounted(folder);
    else {
      const sandbox = new PodSandbox(parts, record, known);
      const isKept = record.preparedFor === undefined && isWanted(record);
      if (isKept) parts.addresses.reserve(record.address);
      (isKept ? adopted : orphans).push(sandbox);
    }
  }
  for (const orphan of orphans) await orphan.remove();
  const owned = new Set(
    adopted.flatMap(({ record }) => Object.values(record.containers).map(({ id }) => id)),
  );
  for (const { id } of known) if (!owned.has(id)) await parts.runtime.delete(id);
  const addresses = new Set(adopted.map(({ address }) => address));
  for (const address of await parts.network.list()) {
    if (!addresses.has(address)) await parts.network.remove(address);
  }
  for (const name of await cgroupsBelow(cgroup)) {
    if (!owned.has(name)) await removeCgroup(path.join(cgroup, name));
  }
  return adopted;
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
