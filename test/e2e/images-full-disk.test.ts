import assert from 'node:assert/strict';
import { readdirSync, statfsSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { FakeClock } from '#base/fake-clock.ts';
import { silentLog } from '#base/log.ts';
import { seededRandom } from '#base/random.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import { DistributionClient } from '#images/distribution/distribution-client.ts';
import { ImageCollector } from '#images/content/image-collector.ts';
import { openImages } from '#images/images.ts';
import { platformOf } from '#images/manifest.ts';
import { startAgentBed } from '#test/support/agent-bed.ts';
import {
  hastyClock,
  openTestStore,
  startTestRegistry,
  temporaryFolder,
} from '#test/support/image-fixture.ts';
import { publishLargeImages } from '#test/support/large-images.ts';
import { SmallDisk } from '#test/support/small-disk.ts';

const DISK_BYTES = 1024 ** 3;
const { signal } = new AbortController();

const isRunning = (pod: Pod, restarts = 0): boolean =>
  pod.status?.containerStatuses?.some(
    ({ state, restartCount }) => state?.running && restartCount === restarts,
  ) ?? false;

test(
  'a full disk costs the images that nobody needs, the longest unused first, and no other',
  { timeout: 180_000 },
  async () => {
    await using disk = await SmallDisk.mount(DISK_BYTES);
    await using far = await temporaryFolder();
    const remote = await openTestStore(far.path);
    const registry = await startTestRegistry(remote);
    const names = ['runs', 'at-zero', 'older', 'old', 'fresh'];
    await publishLargeImages(remote, [...names, 'late']);
    // Time is the test's own: what is used now is used long before what comes two hours later.
    const clock = new FakeClock('2999-01-01');
    const store = await openTestStore(disk.folder, clock);
    const images = await openImages({
      store,
      client: new DistributionClient({ clock: hastyClock, random: seededRandom(1) }),
      platform: platformOf(process.arch),
      owners: 'image',
      clock,
      isBuiltIn: (domain) => domain === 'localhost:5000',
      makeRoom: () => collector.look({ isSweep: false, signal }),
    });
    const at = (name: string): string => `${registry.host}/${name}:v1`;
    await using bed = await startAgentBed({ images });
    await bed.createPod('p', { containers: [{ name: 'main', image: at('runs') }] });
    await bed.podOnce('p', (pod) => isRunning(pod));
    // In nobody's use, but tagged in the registry here.
    await publishLargeImages(store, ['pushed']);
    for (const name of names.slice(1)) {
      clock.advance(2 * 60 * 60_000);
      await images.pull(at(name), { signal });
    }
    const needed = async (): Promise<readonly string[]> => [
      ...(await bed.agent.imagesInUse()),
      at('at-zero'),
    ];
    const collector = new ImageCollector({ store, images, needed, clock, log: silentLog });
    const left = async (): Promise<readonly string[]> =>
      (await images.list('localhost:5000'))
        .map(({ reference }) => reference.replace(/.*\/|:v1/g, ''))
        .toSorted();
    const usedPercent = (): number => {
      const { blocks, bavail } = statfsSync(disk.folder);
      return (1 - bavail / blocks) * 100;
    };
    const layers = (): number => readdirSync(path.join(disk.folder, 'images', 'layers')).length;
    const look = async (): Promise<readonly string[]> => {
      await collector.look({ isSweep: false, signal });
      return await left();
    };

    // With room nothing goes.
    disk.leave(DISK_BYTES * 0.2);
    assert.deepEqual(await look(), [...names, 'hello', 'pushed'].toSorted());
    const before = layers();
    // One image has to go, blob and layer: 96 MiB of the 102 that are between the two thresholds and some more.
    disk.leave(DISK_BYTES * 0.14);
    assert.ok(usedPercent() >= 85);
    assert.deepEqual(await look(), ['at-zero', 'fresh', 'hello', 'old', 'pushed', 'runs']);
    assert.ok(usedPercent() <= 80, `${usedPercent()} % used`);
    assert.equal(layers(), before - 1);
    // Then all that may go; what was pulled a moment ago stays, however full it is.
    disk.leave(DISK_BYTES * 0.02);
    assert.deepEqual(await look(), ['at-zero', 'fresh', 'hello', 'pushed', 'runs']);
    clock.advance(60 * 60_000);
    // Whoever has no room for one more makes it.
    disk.leave(DISK_BYTES * 0.08);
    await images.pull(at('late'), { signal });
    assert.deepEqual(await left(), ['at-zero', 'hello', 'late', 'pushed', 'runs']);
    await registry[Symbol.asyncDispose]();
    // What runs can be made anew, what is at zero can start, without a registry.
    const pod = await bed.podOnce('p', (each) => isRunning(each));
    const [status] = pod.status?.containerStatuses ?? [];
    assert.ok(status?.imageID);
    assert.ok(await images.find(at('runs')));
    disk.leave(DISK_BYTES * 0.5);
    await bed.createPod('q', { containers: [{ name: 'main', image: at('at-zero') }] });
    await bed.podOnce('q', (each) => isRunning(each));
  },
);
