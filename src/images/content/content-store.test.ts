import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { openTestStore, temporaryFolder } from '#test/support/image-fixture.ts';
import { digestOf } from '../digest.ts';
import { ImageError } from '../image.ts';

const isInvalid = (error: unknown): boolean =>
  error instanceof ImageError && error.reason === 'Invalid';

test('content store: a blob is there under its digest once it was taken in', async () => {
  await using home = await temporaryFolder();
  const store = await openTestStore(home.path);
  const digest = digestOf('hello');
  assert.equal(await store.stat(digest), undefined);
  const stored = await store.ingest([Buffer.from('hel'), Buffer.from('lo')], { digest });
  assert.deepEqual(stored, { digest, size: 5 });
  assert.equal((await store.stat(digest))?.size, 5);
  assert.equal(Buffer.from((await store.read(digest, 5)) ?? []).toString(), 'hello');
  await assert.rejects(store.read(digest, 4), isInvalid);
  await store.deleteBlob(digest);
  assert.equal(await store.read(digest, 5), undefined);
});

test('content store: content of another digest, too much of it, or a broken source leaves nothing', async () => {
  await using home = await temporaryFolder();
  const store = await openTestStore(home.path);
  const content = [Buffer.from('hello')];
  await assert.rejects(store.ingest(content, { digest: digestOf('other') }), isInvalid);
  await assert.rejects(store.ingest(content, { bytesMax: 4 }), isInvalid);
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('hel');
    throw new Error('the cable was pulled');
  }
  await assert.rejects(store.ingest(broken()), /the cable was pulled/);
  assert.deepEqual(await readdir(path.join(store.home, 'ingest')), []);
  assert.deepEqual(await readdir(path.join(store.home, 'blobs', 'sha256')), []);
});

test('content store: the same content taken in twice at once is one blob', async () => {
  await using home = await temporaryFolder();
  const store = await openTestStore(home.path);
  await Promise.all(Array.from({ length: 8 }, () => store.ingest([Buffer.from('same')])));
  assert.deepEqual(await readdir(path.join(store.home, 'blobs', 'sha256')), [
    digestOf('same').slice('sha256:'.length),
  ]);
});

test('references: changes at the same time are all kept, and survive another opening', async () => {
  await using home = await temporaryFolder();
  const store = await openTestStore(home.path);
  const digest = digestOf('manifest');
  const tags = Array.from({ length: 20 }, (_, number) => `v${number}`);
  await Promise.all(
    tags.map((tag) => store.pushed.put('team/hello', { digest, mediaType: 'm', tag })),
  );
  const again = await openTestStore(home.path);
  const stored = await again.pushed.read('team/hello');
  assert.deepEqual(Object.keys(stored?.tags ?? {}).toSorted(), tags.toSorted());
  assert.deepEqual(await again.pushed.repositories(), ['team/hello']);
  assert.equal(await again.pulled.read('team/hello'), undefined, 'pulled names are others');
});

test('references: a tag goes alone, a manifest takes its tags along', async () => {
  await using home = await temporaryFolder();
  const { pushed } = await openTestStore(home.path);
  const digest = digestOf('manifest');
  for (const tag of ['v1', 'v2', '__proto__'])
    await pushed.put('hello', { digest, mediaType: 'm', tag });
  assert.equal(await pushed.find('hello', '__proto__'), digest);
  assert.equal(await pushed.find('hello', 'constructor'), undefined);
  await pushed.deleteTag('hello', 'v1');
  assert.equal(await pushed.find('hello', 'v1'), undefined);
  assert.equal(await pushed.find('hello', digest), digest);
  await pushed.deleteManifest('hello', digest);
  assert.equal(await pushed.read('hello'), undefined);
  assert.deepEqual(await pushed.repositories(), []);
});

test('references: a repository beside and below another is another', async () => {
  await using home = await temporaryFolder();
  const { pushed } = await openTestStore(home.path);
  for (const name of ['a', 'a/b', 'a-b'])
    await pushed.put(name, { digest: digestOf(name), mediaType: 'm', tag: 'v1' });
  assert.deepEqual(await pushed.repositories(), ['a', 'a-b', 'a/b']);
  assert.equal(await pushed.find('a/b', 'v1'), digestOf('a/b'));
});

test('references: a damaged file is told, not taken for an empty repository', async () => {
  await using home = await temporaryFolder();
  const { pushed, home: images } = await openTestStore(home.path);
  await pushed.put('hello', { digest: digestOf('m'), mediaType: 'm' });
  await writeFile(path.join(images, 'pushed', 'hello', '_repository.json'), '{"tags"');
  await assert.rejects(pushed.read('hello'), /repository hello/);
});
