import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { FakeClock } from '#base/fake-clock.ts';
import { silentLog } from '#base/log.ts';
import { seededRandom } from '#base/random.ts';
import { openTestStore, storeImage, tarOf, temporaryFolder } from '#test/support/image-fixture.ts';
import type { ContentStore } from './content-store.ts';
import type { Digest } from '../digest.ts';
import { DistributionClient } from '../distribution/distribution-client.ts';
import { ImageCollector } from './image-collector.ts';
import { type LocalImages, openImages } from '../images.ts';
import { OCI_INDEX, OCI_MANIFEST, platformOf } from '../manifest.ts';

const { signal } = new AbortController();
/** Files carry the machine's own time; to the bed's clock all of it is long ago. */
const LATER = '2999-01-01';

interface Bed extends AsyncDisposable {
  readonly store: ContentStore;
  readonly images: LocalImages;
  readonly clock: FakeClock;
  readonly needed: string[];
  collector(thresholds?: { high: number; low: number }): ImageCollector;
  /** An image of one file under a pulled name, which was last wanted two hours ago. */
  pulled(name: string): Promise<Digest>;
  pushed(name: string): Promise<void>;
  names(): Promise<readonly string[]>;
}

async function openBed(): Promise<Bed> {
  const home = await temporaryFolder();
  const clock = new FakeClock(LATER);
  const store = await openTestStore(home.path);
  const images = await openImages({
    store,
    client: new DistributionClient({ clock, random: seededRandom(1) }),
    platform: platformOf('x64'),
    owners: 'current',
    clock,
    isBuiltIn: (domain) => domain === 'localhost:5000',
  });
  const needed: string[] = [];
  return {
    store,
    images,
    clock,
    needed,
    collector: (thresholds) =>
      new ImageCollector({
        store,
        images,
        clock,
        log: silentLog,
        needed: async () => needed,
        ...(thresholds && { thresholds }),
      }),
    async pulled(name) {
      const { manifest } = await storeImage(store, [await tarOf([{ name, body: name }])]);
      const { digest, mediaType } = manifest;
      await store.pulled.put(`example.com/${name}`, { digest, mediaType, tag: 'v1' });
      assert.ok(await images.find(`example.com/${name}:v1`));
      clock.advance(2 * 60 * 60_000);
      return digest;
    },
    async pushed(name) {
      const { manifest } = await storeImage(store, [await tarOf([{ name, body: name }])]);
      const { digest, mediaType } = manifest;
      await store.pushed.put(name, { digest, mediaType, tag: 'v1' });
    },
    names: async () => (await images.list('localhost:5000')).map(({ reference }) => reference),
    [Symbol.asyncDispose]: () => home[Symbol.asyncDispose](),
  };
}

const FULL = { high: 0, low: 0 };

test('collector: a full disk costs the images that nobody needs, and never a pushed one', async () => {
  await using bed = await openBed();
  const running = await bed.pulled('running');
  const atZero = await bed.pulled('at-zero');
  const idle = await bed.pulled('idle');
  await bed.pushed('hello');
  bed.needed.push(running, `example.com/at-zero@${atZero}`, 'example.com/never-pulled:v1');
  await bed.collector(FULL).look({ isSweep: false, signal });
  const left = ['localhost:5000/hello:v1', 'example.com/at-zero:v1', 'example.com/running:v1'];
  assert.deepEqual(await bed.names(), left);
  assert.equal(await bed.store.stat(idle), undefined);
  for (const name of left) assert.ok(await bed.images.find(name), name);
});

test('collector: a disk with room keeps all images; a sweep takes only what nothing names', async () => {
  await using bed = await openBed();
  await bed.pulled('idle');
  const removed = await bed.pulled('removed');
  await bed.images.remove('example.com/removed:v1');
  const collector = bed.collector({ high: 101, low: 100 });
  await collector.look({ isSweep: false, signal });
  assert.ok(await bed.store.stat(removed), 'nobody asked for a sweep');
  await collector.look({ isSweep: true, signal });
  assert.equal(await bed.store.stat(removed), undefined);
  assert.deepEqual(await bed.names(), ['example.com/idle:v1']);
});

test('collector: an index is needed where one of its images runs', async () => {
  await using bed = await openBed();
  const child = await bed.pulled('child');
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_INDEX,
      manifests: [{ mediaType: OCI_MANIFEST, digest: child, size: 1 }],
    }),
  );
  const index = await bed.store.ingest([bytes]);
  await bed.store.pulled.put('example.com/multi', {
    digest: index.digest,
    mediaType: OCI_INDEX,
    tag: 'v1',
  });
  await bed.images.remove('example.com/child:v1');
  bed.needed.push(child);
  await bed.collector(FULL).look({ isSweep: false, signal });
  assert.deepEqual(await bed.names(), ['example.com/multi:v1']);
  await assert.rejects(bed.collector().remove('example.com/multi:v1'), /a Revision needs this/);
  await bed.collector().remove('example.com/multi:v1', { isForced: true });
  assert.deepEqual(await bed.names(), []);
});

test('collector: prune says what it gave up and how much that freed', async () => {
  await using bed = await openBed();
  await bed.pulled('idle');
  const collector = bed.collector();
  assert.deepEqual(await collector.prune({ isAll: false, signal }), { freedBytes: 0, removed: [] });
  const pruned = await collector.prune({ isAll: true, signal });
  assert.deepEqual(pruned.removed, ['example.com/idle:v1']);
  assert.ok(pruned.freedBytes > 0);
  assert.deepEqual(await readdir(path.join(bed.store.home, 'blobs', 'sha256')), []);
});

test('collector: what is wanted at the same moment is had whole or not at all', async () => {
  await using bed = await openBed();
  const name = 'example.com/contended:v1';
  for (let round = 0; round < 20; round += 1) {
    await bed.pulled('contended');
    const pruning = bed.collector().prune({ isAll: true, signal });
    const image = await bed.images.find(name);
    await pruning;
    for (const layer of image?.layers ?? [])
      assert.deepEqual(await readdir(layer), ['contended'], 'who was handed an image can use it');
  }
});

test('content store: a blob that is touched while it is collected stays, or is told to be gone', async () => {
  await using bed = await openBed();
  for (let round = 0; round < 50; round += 1) {
    const { digest } = await bed.store.ingest([Buffer.from(`${round}`)]);
    // A clock between the two moments: only the touch makes it young again.
    const collecting = bed.store.deleteUntouched(digest, new Date(LATER));
    const touched = await bed.store.touch(digest);
    await collecting;
    assert.equal((await bed.store.stat(digest))?.size, touched?.size);
  }
});
