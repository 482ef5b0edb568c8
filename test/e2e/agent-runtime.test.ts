import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { systemClock } from '#base/clock.ts';
import { runCommand } from '#base/command.ts';
import { ociSpec } from '#agent/oci/oci-spec.ts';
import { createRootfs, removeMounted } from '#agent/rootfs.ts';
import { removeCgroup } from '#agent/runtime/runc/cgroup.ts';
import { instanceCgroup, openRunc, runtimeFolder } from '#agent/runtime/runc/runc-runtime.ts';
import type { RuntimeSetup } from '#agent/runtime/contract-program.ts';
import { runtimeContract } from '#agent/runtime/runtime.contract.ts';
import { runtimeStreamsContract } from '#agent/runtime/runtime-streams.contract.ts';
import { RuntimeError } from '#agent/runtime/runtime.ts';
import { nodeLayer } from '#test/support/node-image.ts';

test('runc: an end that conmon was not there to see is told all the same', async () => {
  await using setting = await setup();
  await using runtime = await setting.open();
  const id = 'unseen';
  const bundle = await setting.bundle(id);
  const spec = ociSpec({
    args: ['/bin/node', '-e', 'setTimeout(() => {}, 1e9)'],
    env: [],
    cwd: '/',
    user: { uid: 0, gid: 0, additionalGids: [] },
    capabilities: [],
    isRootReadOnly: false,
    mayGainPrivileges: false,
    hostname: 'unseen',
    joined: { network: setting.networkNamespace },
    cgroupsPath: runtime.cgroupsPathOf(id),
    resources: {},
    mounts: [],
  });
  await runtime.create({ id, bundle, spec, logFile: path.join(bundle, 'log') });
  await runtime.start(id);
  process.kill(Number(await readFile(path.join(bundle, 'conmon.pid'), 'utf8')), 'SIGKILL');
  await runtime.kill(id, 'SIGKILL');
  await assert.rejects(runtime.exited(id, AbortSignal.timeout(20_000)), RuntimeError);
  await runtime.delete(id);
  assert.deepEqual(await runtime.list(), []);
});

runtimeContract('runc', setup);
runtimeStreamsContract('runc', setup);

async function setup(): Promise<RuntimeSetup> {
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
    async interruptDelete(id) {
      const state = path.join(runtimeFolder(instance), 'state');
      await runCommand(['runc', '--root', state, 'delete', '--force', id]);
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
}
