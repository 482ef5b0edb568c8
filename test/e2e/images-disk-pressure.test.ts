import assert from 'node:assert/strict';
import { readdirSync, utimesSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { openTestStore, startTestRegistry, temporaryFolder } from '#test/support/image-fixture.ts';
import { kubectlClients } from '#test/support/kubectl-client.ts';
import { publishLargeImages } from '#test/support/large-images.ts';
import { pidOf, startPlatform, type Platform } from '#test/support/platform.ts';
import { SmallDisk } from '#test/support/small-disk.ts';

const DISK_BYTES = 1024 ** 3;
const HOURS_MS = 3_600_000;

/** As if nobody had asked for any of the images for two hours: what is wanted now is never removed. */
function makeOld(home: string): void {
  const folder = path.join(home, 'images', 'blobs', 'sha256');
  const before = new Date(Date.now() - 2 * HOURS_MS);
  for (const name of readdirSync(folder)) utimesSync(path.join(folder, name), before, before);
}

async function imagesOf(it: Platform): Promise<string> {
  const { stdout } = await it.knode('image', 'list');
  return [...stdout.matchAll(/127\.0\.0\.1:\d+\/(\w+):v1/g)].map(([, name]) => name).join();
}

test(
  'a full disk under a platform costs images that no pod needs, before it costs a pod; kubectl and status say so',
  { timeout: 180_000 },
  async () => {
    await using far = await temporaryFolder();
    const remote = await openTestStore(far.path);
    const names = ['ended', 'earlier', 'runs'];
    await publishLargeImages(remote, names);
    await using registry = await startTestRegistry(remote);
    await using disk = await SmallDisk.mount(DISK_BYTES);
    await using it = await startPlatform(disk.folder);
    const clients = kubectlClients(() => it);
    const [client] = clients;
    const pod = (name: string): object => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name },
      spec: {
        terminationGracePeriodSeconds: 0,
        containers: [{ name: 'main', image: `${registry.host}/${name}:v1` }],
      },
    });
    await client.apply(...names.map(pod));
    await client.ok(['wait', 'pod', '--all', '--for=condition=Ready', '--timeout=60s']);
    await client.ok(['delete', 'pod', 'ended', 'earlier']);
    assert.equal(await imagesOf(it), 'earlier,ended,runs');

    // Full while control is away: the next one looks at its disk before it has anything else.
    makeOld(it.home);
    process.kill(pidOf(it.home, 'control'), 'SIGKILL');
    disk.leave(DISK_BYTES * 0.08);
    await client.until(async () => await imagesOf(it), /^runs$/);
    for (const each of clients) {
      const described = await each.until(
        async () => await each.ok(['describe', 'node']),
        /NodeHasDiskPressure/,
      );
      assert.match(described, /DiskPressure +True .*KubeletHasDiskPressure/);
      assert.match(described, /Warning +EvictionThresholdMet .*Attempting to reclaim ephemeral-st/);
      const found = await each.ok(['get', 'pod', 'runs', '--no-headers']);
      assert.match(found, /^runs +1\/1 +Running +0 /);
    }
    assert.doesNotMatch((await it.knode('status')).stdout, /short/);

    // There is nothing left to remove, so that a pod has to go; its image stays for as long as its object does.
    disk.leave(DISK_BYTES * 0.05);
    const { stdout } = await it.knode('status');
    assert.match(
      stdout,
      /short +disk: 0\.\d of 1\.0 GiB free; make room, or run 'knode image prune/,
    );
    const { status } = await client.podOnce('runs', ({ phase }) => phase === 'Failed');
    assert.match(status?.message ?? '', /^The node was low on resource: ephemeral-storage\. /);
    assert.equal(await imagesOf(it), 'runs');
  },
);
