import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { systemClock } from '#base/clock.ts';
import { FakeClock } from '#base/fake-clock.ts';
import { seededRandom } from '#base/random.ts';
import {
  hastyClock,
  openTestStore,
  startTestRegistry,
  storeImage,
  tarOf,
  temporaryFolder,
} from '#test/support/image-fixture.ts';
import type { ContentStore } from './content/content-store.ts';
import { digestOf } from './digest.ts';
import { DistributionClient } from './distribution/distribution-client.ts';
import { collectGarbage } from './content/garbage.ts';
import { ImageError } from './image.ts';
import { type LocalImages, openImages } from './images.ts';
import { OCI_INDEX, platformOf } from './manifest.ts';

const { signal } = new AbortController();

function open(store: ContentStore, builtIn?: string): Promise<LocalImages> {
  return openImages({
    store,
    client: new DistributionClient({ clock: hastyClock, random: seededRandom(1) }),
    platform: platformOf('x64'),
    owners: 'current',
    clock: systemClock,
    isBuiltIn: (domain) => domain === builtIn,
  });
}

/** An image under a name in the built-in registry's references. */
async function publish(
  store: ContentStore,
  repository: string,
  options: { archives?: readonly Buffer[]; architecture?: string; config?: object } = {},
): Promise<string> {
  const archives = options.archives ?? [await tarOf([{ name: 'file', body: 'content' }])];
  const { manifest } = await storeImage(store, archives, options);
  const { digest, mediaType } = manifest;
  await store.pushed.put(repository, { digest, mediaType, tag: 'v1' });
  return digest;
}

function hasReason(reason: ImageError['reason'], part = ''): (error: unknown) => boolean {
  return (error) =>
    error instanceof ImageError && error.reason === reason && error.message.includes(part);
}

test('images: what was pushed to the built-in registry is resolved and had without any network', async () => {
  await using home = await temporaryFolder();
  const store = await openTestStore(home.path);
  const digest = await publish(store, 'hello', { config: { Cmd: ['run'] } });
  // No registry listens there.
  const images = await open(store, 'localhost:5000');
  assert.equal(
    await images.resolve('localhost:5000/hello:v1', { signal }),
    `localhost:5000/hello@${digest}`,
  );
  const image = await images.find('localhost:5000/hello:v1');
  assert.equal(image?.digest, digest);
  assert.deepEqual(image.config, { Cmd: ['run'] });
  const [layer = ''] = image.layers;
  assert.equal(await readFile(path.join(layer, 'file'), 'utf8'), 'content');
  assert.deepEqual(await images.pull(`localhost:5000/hello@${digest}`, { signal }), image);
});

test('images: a digest is found under whatever port the built-in registry had when it was named', async () => {
  await using home = await temporaryFolder();
  const store = await openTestStore(home.path);
  const digest = await publish(store, 'hello');
  const images = await open(store, '127.0.0.1:5001');
  for (const host of ['127.0.0.1:5000', 'localhost:5999', '[::1]:5000'])
    assert.equal((await images.pull(`${host}/hello@${digest}`, { signal })).digest, digest, host);
  assert.equal(await images.find(`example.com/hello@${digest}`), undefined, 'another registry');
  assert.equal(await images.find('127.0.0.1:5000/hello:v1'), undefined, 'a tag is not content');
});

test('images: what is nowhere is not found, in words that name it', async () => {
  await using home = await temporaryFolder();
  const images = await open(await openTestStore(home.path), 'localhost:5000');
  const name = 'localhost:5000/missing:latest';
  assert.equal(await images.find(name), undefined);
  assert.equal(await images.find('docker.io/library/nginx'), undefined);
  await assert.rejects(images.resolve(name, { signal }), hasReason('NotFound', name));
  await assert.rejects(images.pull(name, { signal }), hasReason('NotFound', name));
  await assert.rejects(
    images.pull('ko.local/app', { signal }),
    hasReason('NotFound', 'ko.local/app'),
  );
  await assert.rejects(images.pull('Bad Name', { signal }), hasReason('Invalid', 'Bad Name'));
});

test('images: pulls from a registry once, however many ask, and keeps it', async () => {
  await using far = await temporaryFolder();
  await using near = await temporaryFolder();
  const remote = await openTestStore(far.path);
  const digest = await publish(remote, 'team/hello');
  const registry = await startTestRegistry(remote);
  const name = `${registry.host}/team/hello:v1`;
  const store = await openTestStore(near.path);
  const images = await open(store);
  try {
    const pulled = await Promise.all([1, 2, 3].map(() => images.pull(name, { signal })));
    assert.deepEqual(new Set(pulled.map((image) => image.digest)), new Set([digest]));
    assert.equal(await images.resolve(name, { signal }), `${registry.host}/team/hello@${digest}`);
  } finally {
    await registry[Symbol.asyncDispose]();
  }
  const again = await open(await openTestStore(near.path));
  assert.equal((await again.find(name))?.digest, digest, 'after the registry is gone');
  assert.deepEqual(await again.list('localhost'), [{ reference: name, digest }]);
});

test('images: of an index, the image for this machine', async () => {
  await using far = await temporaryFolder();
  await using near = await temporaryFolder();
  const remote = await openTestStore(far.path);
  const entries = [];
  for (const architecture of ['arm64', 'amd64']) {
    const archives = [await tarOf([{ name: architecture }])];
    const { manifest } = await storeImage(remote, archives, { architecture });
    const { digest, mediaType, bytes } = manifest;
    await remote.pushed.put('multi', { digest, mediaType });
    const platform = { os: 'linux', architecture };
    entries.push({ digest, mediaType, size: bytes.length, platform });
  }
  const bytes = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: entries }),
  );
  const index = await remote.ingest([bytes]);
  await remote.pushed.put('multi', { digest: index.digest, mediaType: OCI_INDEX, tag: 'v1' });
  await using registry = await startTestRegistry(remote);
  const images = await open(await openTestStore(near.path));
  const name = `${registry.host}/multi:v1`;
  const resolved = await images.resolve(name, { signal });
  assert.ok(resolved.endsWith(index.digest), 'the index stands for the image on every machine');
  const image = await images.pull(resolved, { signal });
  assert.equal(image.digest, entries[1]?.digest);
  assert.deepEqual(await readdir(image.layers[0] ?? ''), ['amd64']);
  assert.deepEqual(await images.find(resolved), image);
});

test('images: one for another machine, or whose layers are not what it says, is refused', async () => {
  await using home = await temporaryFolder();
  const store = await openTestStore(home.path);
  await publish(store, 'arm', { architecture: 'arm64' });
  const archive = await tarOf([{ name: 'file' }]);
  const { manifest, layers } = await storeImage(store, [archive]);
  const images = await open(store, 'localhost');
  await assert.rejects(images.find('localhost/arm:v1'), hasReason('Invalid', 'linux/arm64'));
  const manifestJson = JSON.parse(Buffer.from(manifest.bytes).toString('utf8'));
  const other = await storeImage(store, [await tarOf([{ name: 'other' }])]);
  for (const [name, config] of [
    [
      'swapped',
      { ...manifestJson, layers: [{ ...manifestJson.layers[0], digest: other.layers[0] }] },
    ],
    ['doubled', { ...manifestJson, layers: [manifestJson.layers[0], manifestJson.layers[0]] }],
  ] as const) {
    const { digest } = await store.ingest([Buffer.from(JSON.stringify(config))]);
    await store.pushed.put(name, { digest, mediaType: manifest.mediaType, tag: 'v1' });
  }
  await assert.rejects(images.find('localhost/swapped:v1'), hasReason('Invalid', 'unpacks to'));
  await assert.rejects(images.find('localhost/doubled:v1'), hasReason('Invalid', '2 layers'));
  // It would not be refused for the same reason if it were looked at again.
  await writeFile(store.blobPath(asDigest(other.layers[0] ?? '')), 'no archive');
  await assert.rejects(images.find('localhost/swapped:v1'), hasReason('Invalid', 'unpacks to'));
  assert.equal(layers.length, 1);
  assert.deepEqual(await readdir(path.join(store.home, 'layers')), []);
});

test('images: those that begin alike share layers, and leftovers of a crash are swept', async () => {
  await using home = await temporaryFolder();
  const store = await openTestStore(home.path);
  const [base, one, two] = await Promise.all(
    ['base', 'one', 'two'].map((name) => tarOf([{ name }])),
  );
  assert.ok(base && one && two);
  await publish(store, 'one', { archives: [base, one] });
  await publish(store, 'two', { archives: [base, two] });
  await mkdir(path.join(store.home, 'layers', '.unfinished-1', 'half'), { recursive: true });
  const images = await open(store, 'localhost');
  const first = await images.find('localhost/one:v1');
  const second = await images.find('localhost/two:v1');
  assert.equal(first?.layers[0], second?.layers[0]);
  assert.equal((await readdir(path.join(store.home, 'layers'))).length, 3);
});

test('images: a whiteout in one image leaves the shared layer as it is', async () => {
  await using home = await temporaryFolder();
  const store = await openTestStore(home.path);
  const base = await tarOf([{ name: 'd/a' }, { name: 'd/b' }]);
  await publish(store, 'plain', { archives: [base] });
  await publish(store, 'opaque', { archives: [base, await tarOf([{ name: 'd/.wh..wh..opq' }])] });
  const images = await open(store, 'localhost');
  const [layer = ''] = (await images.find('localhost/plain:v1'))?.layers ?? [];
  const [below, above = ''] = (await images.find('localhost/opaque:v1'))?.layers ?? [];
  assert.equal(below, layer);
  assert.deepEqual((await readdir(path.join(layer, 'd'))).toSorted(), ['a', 'b']);
  assert.deepEqual((await readdir(path.join(above, 'd'))).toSorted(), ['a', 'b'], 'whiteouts');
});

test('images: what nothing names is collected once its grace is over, what is in use never', async () => {
  await using home = await temporaryFolder();
  // Files carry the machine's own time, which lies between these two.
  const [early, late] = [new FakeClock('2000-01-01'), new FakeClock('2999-01-01')];
  const store = await openTestStore(home.path);
  const kept = await publish(store, 'kept');
  const archives = [await tarOf([{ name: 'removed' }])];
  const running = await publish(store, 'running', { archives: [await tarOf([{ name: 'runs' }])] });
  await publish(store, 'removed', { archives });
  const images = await open(store, 'localhost');
  for (const name of ['kept', 'removed', 'running']) await images.find(`localhost/${name}:v1`);
  await images.remove('localhost/removed:v1');
  await images.remove('localhost/running:v1');
  await assert.rejects(images.remove('localhost/removed:v1'), hasReason('NotFound'));
  const collect = (clock: FakeClock): Promise<number> =>
    collectGarbage({ store, images, clock, inUse: [digestOf(''), asDigest(running)] });
  assert.equal(await collect(early), 0, 'too fresh');
  assert.ok((await collect(late)) > 0);
  assert.equal((await readdir(path.join(store.home, 'layers'))).length, 2);
  assert.ok(await images.find('localhost/kept:v1'));
  assert.ok(await store.stat(asDigest(kept)));
  assert.ok(await store.stat(asDigest(running)));
  assert.equal((await readdir(path.join(store.home, 'blobs', 'sha256'))).length, 6);
  assert.equal(await collect(late), 0);
});

test('images: an archive of docker save and an OCI layout are taken in', async () => {
  await using home = await temporaryFolder();
  const store = await openTestStore(home.path);
  const layer = await tarOf([{ name: 'file', body: 'content' }]);
  const config = JSON.stringify({ os: 'linux', rootfs: { diff_ids: [digestOf(layer)] } });
  const saved = await tarOf([
    { name: 'abc/layer.tar', body: layer.toString('latin1') },
    { name: 'config.json', body: config },
    { name: 'def/layer.tar', type: 'symlink', linkname: '../abc/layer.tar' },
    {
      name: 'manifest.json',
      body: JSON.stringify([
        { Config: 'config.json', RepoTags: ['saved:v1'], Layers: ['def/layer.tar'] },
      ]),
    },
  ]);
  const images = await open(store, 'localhost');
  const [imported] = await images.importArchive(stream(saved));
  assert.equal(imported?.reference, 'docker.io/library/saved:v1');
  assert.ok(await images.find('saved:v1'));

  const { manifest } = await storeImage(store, [layer]);
  const { digest, mediaType, bytes } = manifest;
  const layout = await tarOf([
    {
      name: 'index.json',
      body: JSON.stringify({
        schemaVersion: 2,
        manifests: [{ digest, mediaType, size: bytes.length }],
      }),
    },
  ]);
  await assert.rejects(images.importArchive(stream(layout)), hasReason('Invalid', 'reference'));
  await images.importArchive(stream(layout), { reference: 'dev.local/app' });
  assert.equal(await images.resolve('dev.local/app', { signal }), `dev.local/app@${digest}`);
  await assert.rejects(images.importArchive(stream(layer)), hasReason('Invalid', 'manifest.json'));
  const noise = Buffer.from('no archive at all'.repeat(100));
  await assert.rejects(images.importArchive(stream(noise)), hasReason('Invalid', 'tar archive'));
});

async function* stream(content: Uint8Array): AsyncGenerator<Uint8Array> {
  yield content;
}

function asDigest(text: string): `sha256:${string}` {
  assert.ok(text.startsWith('sha256:'));
  return text as `sha256:${string}`;
}
