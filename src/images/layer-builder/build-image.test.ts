import assert from 'node:assert/strict';
import {
  access,
  appendFile,
  mkdir,
  readdir,
  readFile,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { run } from '#test/support/platform.ts';
import { seededRandom } from '#base/random.ts';
import { hastyClock, openTestStore, temporaryFolder } from '#test/support/image-fixture.ts';
import type { ContentStore } from '../content/content-store.ts';
import { DistributionClient } from '../distribution/distribution-client.ts';
import type { Image } from '../image.ts';
import { openImages } from '../images.ts';
import { platformOf } from '../manifest.ts';
import { buildImage, type BuiltImage } from './build-image.ts';
import { parseLdd } from './shared-libraries.ts';

/** Any program that is linked dynamically does for the base layer, and costs less to hash than Node. */
const NODE_PATH = '/bin/true';
const { signal } = new AbortController();

async function writeProgram(
  folder: string,
  files: Readonly<Record<string, string>>,
): Promise<string> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(path.join(folder, path.dirname(name)), { recursive: true });
    await writeFile(path.join(folder, name), content);
  }
  return folder;
}

function build(store: ContentStore, source: string, nodePath = NODE_PATH): Promise<BuiltImage> {
  const platform = platformOf('x64');
  const reference = 'localhost:5000/hello:v1';
  return buildImage({ source, nodePath, platform, store, reference, signal });
}

async function unpacked(store: ContentStore): Promise<Image> {
  const images = await openImages({
    store,
    client: new DistributionClient({ clock: hastyClock, random: seededRandom(1) }),
    platform: platformOf('x64'),
    owners: 'current',
    clock: hastyClock,
    isBuiltIn: (domain) => domain === 'localhost:5000',
  });
  const image = await images.find('localhost:5000/hello:v1');
  assert.ok(image);
  return image;
}

test('build: a program becomes an image that runs it as nobody in particular', async () => {
  await using home = await temporaryFolder();
  await using source = await temporaryFolder();
  await writeProgram(source.path, {
    'package.json': '{"main":"./src/start.ts","dependencies":{"left-pad":"1"}}',
    'src/start.ts': 'start();',
    'node_modules/left-pad/index.js': 'pad();',
    '.git/HEAD': 'ref',
  });
  const store = await openTestStore(home.path);
  const built = await build(store, source.path);
  assert.equal(built.reference, `localhost:5000/hello@${built.digest}`);
  const { config, layers } = await unpacked(store);
  const [base = '', dependencies = '', program = ''] = layers;
  assert.deepEqual(config.Entrypoint, ['/usr/local/bin/node']);
  assert.deepEqual(config.Cmd, ['src/start.ts']);
  assert.equal(config.WorkingDir, '/app');
  assert.equal(config.User, '65532:65532');
  assert.deepEqual((await readdir(path.join(program, 'app'))).toSorted(), ['package.json', 'src']);
  assert.match(await readFile(path.join(program, 'app/src/start.ts'), 'utf8'), /^start\(\);\n/);
  await access(path.join(dependencies, 'app/node_modules/left-pad/index.js'));
  assert.deepEqual(
    await readFile(path.join(base, 'usr/local/bin/node')),
    await readFile(NODE_PATH),
  );
  assert.equal((await stat(path.join(base, 'tmp'))).mode & 0o777, 0o777);
  assert.match(await readFile(path.join(base, 'etc/passwd'), 'utf8'), /^nonroot:x:65532:/m);
  const files = await readdir(base, { recursive: true });
  assert.ok(files.some((name) => path.basename(name).startsWith('libc.')));
  assert.ok(files.some((name) => path.basename(name).startsWith('ld-linux')));
});

test('build: types are taken out once, and what was said with them stays where it was', async () => {
  await using home = await temporaryFolder();
  await using source = await temporaryFolder();
  await writeProgram(source.path, {
    'package.json': '{"type":"module","main":"server.ts"}',
    'server.ts': `import { half } from './half.ts';\nconst whole: number = 84;\nconsole.log(half(whole), new Error('x').stack?.split('server.ts')[1]?.slice(0, 5));\n`,
    'half.ts': 'export function half(of: number): number {\n  return of / 2;\n}\n',
  });
  const store = await openTestStore(home.path);
  await build(store, source.path);
  const { config, layers } = await unpacked(store);
  const [base = '', program = ''] = layers;
  const hook =
    config.Env?.find((pair) => pair.startsWith('NODE_OPTIONS='))
      ?.split('=')
      .at(-1) ?? '';
  const app = path.join(program, 'app');
  const start = async (name: string): Promise<string> => {
    const args = [`--import=${path.join(base, hook)}`, name];
    const { stdout, stderr } = await run([process.execPath, ...args], { cwd: app });
    return `${stdout.trim()}${stderr}`;
  };
  assert.equal(await start('server.ts'), '42 :3:26');
  // To who takes types out this calls b with d; to who does not it compares twice.
  const witness = 'const [b, c, d] = [3, 2, 1];\nconsole.log(b<c>(d));';
  const mark = (await readFile(path.join(app, 'server.ts'), 'utf8'))
    .split('\n')
    .slice(-2)
    .join('\n');
  await writeFile(path.join(app, 'witness.ts'), `${witness}\n${mark}`);
  assert.equal(await start('witness.ts'), 'false');
  await writeFile(path.join(app, 'later.ts'), 'const seven: number = 7;\nconsole.log(seven);');
  assert.equal(await start('later.ts'), '7');
});

test('build: what only Node can say of a program with types is left to Node', async () => {
  await using home = await temporaryFolder();
  await using source = await temporaryFolder();
  const text = 'enum Colour { Red }\n';
  await writeProgram(source.path, { 'server.ts': text });
  const store = await openTestStore(home.path);
  await build(store, source.path);
  const { config, layers } = await unpacked(store);
  assert.ok(!config.Env?.some((pair) => pair.startsWith('NODE_OPTIONS=')));
  assert.equal(await readFile(path.join(layers[1] ?? '', 'app/server.ts'), 'utf8'), text);
});

test('build: the same program is the same digest, on another day, from another folder', async () => {
  const digests = new Set<string>();
  for (const day of ['2020-01-01', '2030-01-01']) {
    await using home = await temporaryFolder();
    await using source = await temporaryFolder();
    await writeProgram(source.path, { 'server.ts': 'run();', 'lib/b.ts': 'b', 'lib/a.ts': 'a' });
    for (const name of ['server.ts', 'lib', 'lib/a.ts'])
      await utimes(path.join(source.path, name), new Date(day), new Date(day));
    digests.add((await build(await openTestStore(home.path), source.path)).digest);
  }
  assert.equal(digests.size, 1);
});

test('build: a changed program is another digest on the same base', async () => {
  await using home = await temporaryFolder();
  await using source = await temporaryFolder();
  const store = await openTestStore(home.path);
  await writeProgram(source.path, { 'server.ts': 'run();' });
  const first = await build(store, source.path);
  const [base] = (await unpacked(store)).layers;
  await appendFile(path.join(source.path, 'server.ts'), 'again();');
  const second = await build(store, source.path);
  assert.notEqual(second.digest, first.digest);
  assert.equal((await unpacked(store)).layers[0], base);
});

test('build: the base layer is made once for the same Node, and again for another', async () => {
  await using home = await temporaryFolder();
  await using source = await temporaryFolder();
  await writeProgram(source.path, { 'server.ts': 'run();' });
  const store = await openTestStore(home.path);
  await using machine = await temporaryFolder();
  const copy = path.join(machine.path, 'node');
  await writeFile(copy, await readFile(NODE_PATH), { mode: 0o755 });
  const first = await build(store, source.path, copy);
  const record = path.join(store.home, 'base-layer-node.json');
  const known = await stat(record);
  assert.deepEqual(await build(store, source.path, copy), first);
  assert.equal((await stat(record)).ino, known.ino, 'not written again');
  await appendFile(copy, 'newer');
  assert.notEqual((await build(store, source.path, copy)).digest, first.digest);
});

test('build: what cannot be run says why', async () => {
  await using home = await temporaryFolder();
  const store = await openTestStore(home.path);
  const refuses = async (files: Record<string, string>, wanted: RegExp): Promise<void> => {
    await using source = await temporaryFolder();
    await assert.rejects(build(store, await writeProgram(source.path, files)), wanted);
  };
  await refuses({}, /nothing to run/);
  await refuses({ 'README.md': '' }, /nothing to run/);
  await refuses({ 'package.json': '{' }, /not JSON/);
  await refuses({ 'package.json': '{"main":"gone.ts"}' }, /gone\.ts/);
  await refuses({ 'package.json': '{"main":"../../etc/passwd"}' }, /no file of it/);
  const needsInstall = '{"main":"a.ts","dependencies":{"left-pad":"1"}}';
  await refuses({ 'package.json': needsInstall, 'a.ts': '' }, /npm ci/);
  await assert.rejects(build(store, path.join(home.path, 'nowhere')), /wanted a folder/);
  await using source = await temporaryFolder();
  await writeProgram(source.path, { 'server.ts': '' });
  await symlink('/etc/passwd', path.join(source.path, 'link'));
  await assert.rejects(build(store, source.path), /leads out/);
});

test('ldd: libraries and loader are read from what it prints', () => {
  const output = [
    '\tlinux-vdso.so.1 (0x00007ffe)',
    '\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f01)',
    '\t/lib64/ld-linux-x86-64.so.2 (0x00007f02)',
    '',
  ].join('\n');
  assert.deepEqual(parseLdd(output, 'node'), [
    '/lib/x86_64-linux-gnu/libm.so.6',
    '/lib64/ld-linux-x86-64.so.2',
  ]);
  assert.deepEqual(parseLdd('\tstatically linked\n', 'node'), []);
  assert.throws(
    () => parseLdd('\tlibx.so.1 => not found\n', '/bin/node'),
    /\/bin\/node.*libx\.so\.1/,
  );
});
