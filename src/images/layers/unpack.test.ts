import assert from 'node:assert/strict';
import {
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { type TarEntry, tarOf, temporaryFolder } from '#test/support/image-fixture.ts';
import { digestOf } from '../digest.ts';
import { ImageError } from '../image.ts';
import { UnpackBudget, unpackLayer } from './unpack.ts';

interface Unpacking {
  readonly name?: string;
  readonly lowers?: readonly string[];
  readonly budget?: UnpackBudget;
}

/** Unpacks an archive below `folder` as an unprivileged process would, and returns where. */
async function unpack(
  folder: string,
  archive: Uint8Array | readonly TarEntry[],
  { name = 'layer', lowers = [], budget = new UnpackBudget() }: Unpacking = {},
): Promise<string> {
  const file = path.join(folder, `${name}.tar`);
  const target = path.join(folder, name);
  const tar = archive instanceof Uint8Array ? undefined : await tarOf(archive);
  await writeFile(file, tar ?? (archive as Uint8Array));
  const { signal } = new AbortController();
  const options = { archive: file, target, lowers, budget, signal };
  const diffId = await unpackLayer({ ...options, owners: 'current' });
  if (tar) assert.equal(diffId, digestOf(tar));
  return target;
}

async function refuses(entries: readonly TarEntry[], part: string): Promise<void> {
  await using folder = await temporaryFolder();
  const outside = path.join(folder.path, 'outside');
  await mkdir(outside);
  await assert.rejects(unpack(folder.path, entries), (error) => {
    assert.ok(error instanceof ImageError, String(error));
    assert.equal(error.reason, 'Invalid');
    assert.ok(error.message.includes(part), error.message);
    return true;
  });
  assert.deepEqual(await readdir(outside), [], 'written outside');
  assert.deepEqual((await readdir(folder.path)).toSorted(), ['layer', 'layer.tar', 'outside']);
}

/** Every path below a folder; whiteouts marked by `!`. */
async function listing(root: string): Promise<readonly string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries
    .map((entry) => {
      const at = path.relative(root, path.join(entry.parentPath, entry.name));
      return entry.isCharacterDevice() ? `!${at}` : at;
    })
    .toSorted();
}

const folderEntry = (name: string, mode = 0o755): TarEntry => ({ name, type: 'directory', mode });
const link = (name: string, linkname: string): TarEntry => ({ name, linkname, type: 'symlink' });
const hardLink = (name: string, linkname: string): TarEntry => ({ name, linkname, type: 'link' });

test('unpack: files, folders, links, modes and times are as the archive says', async () => {
  await using folder = await temporaryFolder();
  const mtime = new Date('2020-02-02T02:02:02Z');
  const root = await unpack(folder.path, [
    folderEntry('./', 0o711),
    { ...folderEntry('bin', 0o500), mtime },
    { name: 'bin/run', mode: 0o755, body: 'program', mtime },
    link('sh', '/bin/run'),
    hardLink('bin/again', 'bin/run'),
    { name: `deep/${'d'.repeat(150)}/file`, body: 'long' },
    { name: 'empty' },
  ]);
  assert.equal(await readFile(path.join(root, 'bin/run'), 'utf8'), 'program');
  assert.equal((await stat(path.join(root, 'bin/run'))).mode & 0o7777, 0o755);
  assert.deepEqual((await stat(path.join(root, 'bin/run'))).mtime, mtime);
  assert.equal((await stat(path.join(root, 'bin'))).mode & 0o777, 0o700, 'accessible to the owner');
  assert.deepEqual((await stat(path.join(root, 'bin'))).mtime, mtime);
  assert.equal((await stat(root)).mode & 0o777, 0o711);
  assert.equal(await readlink(path.join(root, 'sh')), '/bin/run', 'resolved in the container');
  assert.equal((await stat(path.join(root, 'bin/again'))).nlink, 2);
  assert.equal((await stat(path.join(root, 'empty'))).size, 0);
  assert.equal(await readFile(path.join(root, 'deep', 'd'.repeat(150), 'file'), 'utf8'), 'long');
});

test('unpack: root keeps owners and set-uid marks, anybody else keeps the files', async () => {
  await using folder = await temporaryFolder();
  const isRoot = process.getuid?.() === 0;
  const archive = path.join(folder.path, 'a.tar');
  const owned = { uid: 1234, gid: 2345 };
  await writeFile(
    archive,
    await tarOf([
      { ...folderEntry('d', 0o1777), ...owned },
      { name: 'd/su', mode: 0o4755, ...owned },
      { ...link('d/l', 'su'), ...owned },
    ]),
  );
  const target = path.join(folder.path, 'layer');
  await unpackLayer({
    archive,
    target,
    lowers: [],
    owners: isRoot ? 'image' : 'current',
    budget: new UnpackBudget(),
    signal: new AbortController().signal,
  });
  for (const [name, mode] of [
    ['d', isRoot ? 0o1777 : 0o777],
    ['d/su', isRoot ? 0o4755 : 0o755],
    ['d/l', 0o777],
  ] as const) {
    const stats = await lstat(path.join(target, name));
    assert.equal(stats.mode & 0o7777, mode, name);
    assert.equal(stats.uid, isRoot ? 1234 : process.getuid?.(), name);
  }
});

test('unpack: plain, gzip and zstd are told apart by their first bytes', async () => {
  await using folder = await temporaryFolder();
  const tar = await tarOf([{ name: 'file', body: 'content' }]);
  for (const [name, archive] of Object.entries({
    plain: tar,
    gzip: gzipSync(tar),
    zstd: zstdCompressSync(tar),
  })) {
    const root = await unpack(folder.path, archive, { name });
    assert.equal(await readFile(path.join(root, 'file'), 'utf8'), 'content', name);
  }
});

test('unpack: a later entry of the same name wins', async () => {
  await using folder = await temporaryFolder();
  const root = await unpack(folder.path, [
    { name: 'a', body: 'first' },
    { name: 'a', body: 'second' },
    link('b', 'a'),
    { name: 'b', body: 'not through the link' },
    { name: 'c', body: 'file' },
    folderEntry('c'),
    { name: 'c/d', body: 'below' },
  ]);
  assert.equal(await readFile(path.join(root, 'a'), 'utf8'), 'second');
  assert.equal(await readFile(path.join(root, 'b'), 'utf8'), 'not through the link');
  assert.equal(await readFile(path.join(root, 'c/d'), 'utf8'), 'below');
});

test('unpack: paths that lead out are refused', async () => {
  await refuses([{ name: '../outside/file' }], 'climbs');
  await refuses([{ name: 'a/../../outside/file' }], 'climbs');
  await refuses([{ name: '/etc/passwd' }], 'absolute');
  await refuses([{ name: '..' }], 'climbs');
  await refuses([{ name: `a/${'b'.repeat(300)}` }], 'cannot be read');
  await refuses([{ name: './', body: 'x', type: 'file' }], 'root');
});

test('unpack: links cannot be used to write outside', async () => {
  await refuses([link('out', '../outside'), { name: 'out/file' }], 'no folder');
  await refuses([link('a', '../outside'), link('b', 'a'), { name: 'b/c/file' }], 'no folder');
  await refuses([link('out', '../outside'), folderEntry('out/sub')], 'no folder');
  await refuses(
    [link('out', '../outside'), { name: 'out/.wh.file' }, folderEntry('x'), hardLink('out/h', 'x')],
    'hard link',
  );
  await refuses([hardLink('h', '../outside')], 'climbs');
  await refuses([hardLink('h', '/etc/passwd')], 'absolute');
  await refuses([hardLink('h', 'missing')], 'hard link');
  await refuses([link('out', '../outside'), hardLink('h', 'out/file')], 'hard link');
  await refuses([folderEntry('d'), hardLink('h', 'd')], 'hard link');
  await refuses([link('l', '')], 'symbolic link');
});

test('unpack: a hard link to a link does not follow it', async () => {
  await using folder = await temporaryFolder();
  await writeFile(path.join(folder.path, 'secret'), 'outside');
  const root = await unpack(folder.path, [
    link('l', '../secret'),
    hardLink('h', 'l'),
    { name: 'h', body: 'replaced' },
  ]);
  assert.equal(await readFile(path.join(folder.path, 'secret'), 'utf8'), 'outside');
  assert.equal(await readFile(path.join(root, 'h'), 'utf8'), 'replaced');
});

test('unpack: devices, FIFOs and an own folder turned into something else are refused', async () => {
  await refuses(
    [{ name: 'null', type: 'character-device', devmajor: 1, devminor: 3 }],
    'character',
  );
  await refuses([{ name: 'wh', type: 'character-device' }], 'character');
  await refuses([{ name: 'sda', type: 'block-device', devmajor: 8 }], 'block');
  await refuses([{ name: 'pipe', type: 'fifo' }], 'fifo');
  await refuses([{ name: 'd/file' }, { name: 'd' }], 'own layer');
});

test('unpack: archives that are none, end early or grow too much are refused', async () => {
  await using folder = await temporaryFolder();
  const tar = await tarOf([{ name: 'file', body: 'x'.repeat(100_000) }]);
  const budgets = {
    bytes: new UnpackBudget({ bytesMax: 50_000 }),
    entries: new UnpackBudget({ entriesMax: 1 }),
  };
  const bomb = gzipSync(await tarOf([{ name: 'zeros', body: '\0'.repeat(4_000_000) }]));
  assert.ok(bomb.length < 10_000);
  const isInvalid = { name: 'ImageError', reason: 'Invalid' };
  for (const [name, archive, budget] of [
    ['noise', Buffer.from('this is no archive'.repeat(100)), undefined],
    ['short', tar.subarray(0, 50_000), undefined],
    ['broken gzip', gzipSync(tar).subarray(0, 100), undefined],
    ['flipped', Buffer.concat([gzipSync(tar).subarray(0, 60), Buffer.alloc(200)]), undefined],
    ['bomb', bomb, budgets.bytes],
    ['many', await tarOf([{ name: 'a' }, { name: 'b' }]), budgets.entries],
    ['deep', await tarOf([{ name: 'a/b/c/d' }]), new UnpackBudget({ entriesMax: 3 })],
  ] as const)
    await assert.rejects(
      unpack(folder.path, archive, { name, ...(budget && { budget }) }),
      isInvalid,
      name,
    );
});

test('unpack: an aborted signal ends it with its reason', async () => {
  await using folder = await temporaryFolder();
  const archive = path.join(folder.path, 'a.tar');
  await writeFile(archive, await tarOf([{ name: 'file', body: 'x'.repeat(1_000_000) }]));
  await assert.rejects(
    unpackLayer({
      archive,
      target: path.join(folder.path, 'layer'),
      lowers: [],
      owners: 'current',
      budget: new UnpackBudget(),
      signal: AbortSignal.abort(new Error('not wanted any more')),
    }),
    /not wanted any more/,
  );
});

test('unpack: a whiteout hides what lies below, and nothing where nothing does', async () => {
  await using folder = await temporaryFolder();
  const lower = await unpack(
    folder.path,
    [{ name: 'etc/old' }, { name: 'etc/kept' }, { name: 'gone/a' }, { name: 'kept' }],
    { name: 'lower' },
  );
  const root = await unpack(
    folder.path,
    [
      { name: 'etc/.wh.old' },
      { name: '.wh.gone' },
      { name: '.wh.never-was' },
      { name: 'fresh/.wh..wh.plnk' },
      { name: 'kept', body: 'new' },
      { name: '.wh.kept' },
    ],
    { lowers: [lower] },
  );
  assert.deepEqual(await listing(root), ['!etc/old', '!gone', 'etc', 'kept']);
  assert.equal((await lstat(path.join(root, 'gone'))).rdev, 0);
  assert.equal(await readFile(path.join(root, 'kept'), 'utf8'), 'new');
});

test('unpack: an opaque folder hides each name below it, whatever layer shows it', async () => {
  await using folder = await temporaryFolder();
  const first = await unpack(
    folder.path,
    [{ name: 'd/a' }, { name: 'd/both/x' }, { name: 'd/both/y' }, { name: 'd/gone' }],
    { name: 'first' },
  );
  const second = await unpack(folder.path, [{ name: 'd/b' }, { name: 'd/.wh.gone' }], {
    name: 'second',
    lowers: [first],
  });
  const root = await unpack(
    folder.path,
    [{ name: 'd/both/x', body: 'own' }, { name: 'd/.wh..wh..opq' }, { name: 'd/own' }],
    { lowers: [first, second] },
  );
  assert.deepEqual(await listing(root), [
    '!d/a',
    '!d/b',
    '!d/both/y',
    'd',
    'd/both',
    'd/both/x',
    'd/own',
  ]);
});

test('unpack: a folder replaced and a root made empty leave nothing of the old to see', async () => {
  await using folder = await temporaryFolder();
  const lower = await unpack(folder.path, [{ name: 'd/old' }, { name: 'e' }], { name: 'lower' });
  const entries = [{ name: '.wh.d' }, folderEntry('d'), { name: 'd/new' }];
  const replaced = await unpack(folder.path, entries, { name: 'replaced', lowers: [lower] });
  assert.deepEqual(await listing(replaced), ['!d/old', 'd', 'd/new']);
  const emptied = await unpack(folder.path, [{ name: '.wh..wh..opq' }], { lowers: [lower] });
  assert.deepEqual(await listing(emptied), ['!d', '!e']);
});

test('unpack: whiteouts of no name are refused, and links below are not followed', async () => {
  await refuses([{ name: '.wh.' }], 'no name');
  await refuses([{ name: 'a/.wh...' }], 'no name');
  await refuses([{ name: '.wh..' }], 'no name');
  await using folder = await temporaryFolder();
  const lower = path.join(folder.path, 'lower');
  await mkdir(lower);
  await mkdir(path.join(folder.path, 'outside'));
  await writeFile(path.join(folder.path, 'outside', 'file'), '');
  await symlink('../outside', path.join(lower, 'd'));
  const root = await unpack(folder.path, [folderEntry('d'), { name: 'd/.wh..wh..opq' }], {
    lowers: [lower],
  });
  assert.deepEqual(await listing(root), ['d'], 'the link, and with it the files, are hidden whole');
});

test('unpack: a folder that only its entries name keeps the look it has below', async () => {
  await using folder = await temporaryFolder();
  const lower = await unpack(folder.path, [folderEntry('tmp', 0o777), folderEntry('opt', 0o750)], {
    name: 'lower',
  });
  const entries = [{ name: 'tmp/file' }, { name: 'opt/sub/file' }];
  const root = await unpack(folder.path, entries, { lowers: [lower] });
  assert.equal((await stat(path.join(root, 'tmp'))).mode & 0o777, 0o777);
  assert.equal((await stat(path.join(root, 'opt'))).mode & 0o777, 0o750);
  assert.equal((await stat(path.join(root, 'opt/sub'))).mode & 0o777, 0o755);
});
