import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { tmpdir } from 'node:os';
import { systemClock } from '#base/clock.ts';
import { runCommand } from '#base/command.ts';
import { createRootfs, removeMounted } from '#agent/rootfs.ts';
import { removeCgroup } from '#agent/runtime/runc/cgroup.ts';
import { instanceCgroup, openRunc, runtimeFolder } from '#agent/runtime/runc/runc-runtime.ts';
import { runtimeContract } from '#agent/runtime/runtime.contract.ts';
import { nodeLayer } from '#test/support/node-image.ts';

runtimeContract('runc', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'knode-runtime-'));
  const instance = path.basename(folder).slice(-6).toLowerCase();
  const layer = await nodeLayer(path.join(folder, 'layer'));
  const namespace = `knode-contract-${instance}`;
  await runCommand(['ip', 'netns', 'add', namespace]);
  const made = new Set<string>();
  return {
    networkNamespace: `/run/netns/${namespace}`,
    open: () => openRunc({ instance, clock: systemClock }),
    async bundle(id) {
      const bundle = path.join(folder, id);
      if (!made.has(id)) await createRootfs({ layers: [layer], bundle, method: 'overlay' });
      made.add(id);
      return bundle;
    },
    async [Symbol.asyncDispose]() {
      await using runtime = await openRunc({ instance, clock: systemClock });
      for (const { id } of await runtime.list()) await runtime.delete(id);
      await removeMounted(folder);
      await runCommand(['ip', 'netns', 'delete', namespace]);
      await removeCgroup(instanceCgroup(instance));
      await rm(runtimeFolder(instance), { recursive: true, force: true });
    },
  };
});
