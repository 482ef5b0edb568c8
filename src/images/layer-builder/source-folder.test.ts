import assert from 'node:assert/strict';
import { chmod, chown, mkdir, symlink, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { runCommand } from '#base/command.ts';
import { openTestStore, temporaryFolder } from '#test/support/image-fixture.ts';
import type { ContentStore } from '../content/content-store.ts';
import { type Manifest, MANIFEST_BYTES_MAX, parseImageConfig, parseManifest } from '../manifest.ts';
import { buildImage, type BuiltImage } from './build-image.ts';
import { readSourceFolder } from './source-folder.ts';

type Files = Readonly<Record<string, string>>;

async function write(folder: string, files: Files): Promise<string> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(path.join(folder, path.dirname(name)), { recursive: true });
    await writeFile(path.join(folder, name), content);
  }
  return folder;
}

/** Says of itself what Python says, with a standard library of two files. */
async function writePython(folder: string): Promise<string> {
  await write(folder, {
    'lib/python3.11/os.py': 'os',
    'lib/python3.11/json/decoder.py': 'json',
    'lib/python3.11/__pycache__/os.pyc': 'times',
    'lib/python3.11/site-packages/other.py': 'of the machine',
    'lib/python3.11/test/long.py': 'tests',
  });
  const library = path.join(folder, 'lib/python3.11');
  const answer = JSON.stringify(['/bin/true', '3.11', [library, library]]);
  const program = path.join(folder, 'python3');
  await writeFile(program, `#!/bin/sh\necho '${answer}'\n`, { mode: 0o755 });
  return program;
}

async function build(
  store: ContentStore,
  source: string,
  pythonPath = '/nowhere/python3',
): Promise<BuiltImage> {
  return await buildImage({
    source,
    // Any program that is linked dynamically does, and costs less to hash than Node.
    nodePath: '/bin/true',
    pythonPath,
    platform: { os: 'linux', architecture: 'amd64' },
    store,
    reference: 'localhost:5000/built:v1',
    signal: new AbortController().signal,
  });
}

async function imageOf(store: ContentStore, { digest }: BuiltImage) {
  const manifest = parseManifest((await store.read(digest, MANIFEST_BYTES_MAX)) ?? Buffer.alloc(0));
  const [config] = blobsOf(manifest);
  const bytes = config && (await store.read(config, MANIFEST_BYTES_MAX));
  assert.ok(bytes);
  const { config: execution, diffIds: layers } = parseImageConfig(bytes);
  const list = async (at: number): Promise<readonly string[]> => {
    const layer = layers[at];
    assert.ok(layer, `layer ${at}`);
    return (await runCommand(['tar', '-tf', store.blobPath(layer)])).trim().split('\n');
  };
  return { ...execution, layers, list };
}

function blobsOf({ content }: Manifest) {
  return content.kind === 'image' ? [content.config.digest] : [];
}

test('source: what a folder holds says what runs it', async () => {
  for (const [files, kind, entry] of [
    [{ 'package.json': '{"main":"a.js"}', 'a.js': '', 'app.py': '' }, 'node', 'a.js'],
    [{ 'server.ts': '' }, 'node', 'server.ts'],
    [{ 'server.js': '', 'index.html': '' }, 'node', 'server.js'],
    [{ 'index.js': '' }, 'node', 'index.js'],
    [{ 'app.py': '', 'index.html': '' }, 'python', 'app.py'],
    [{ 'main.py': '', 'requirements.txt': '# none\n\n' }, 'python', 'main.py'],
    [{ 'index.html': '', 'app.js': '' }, 'static', 'index.html'],
  ] as const) {
    await using folder = await temporaryFolder();
    const { program } = await readSourceFolder(await write(folder.path, files));
    assert.deepEqual([program.kind, program.entry], [kind, entry], Object.keys(files).join());
  }
});

test('build: a Python program lies on its interpreter, its library and what it requires', async () => {
  await using home = await temporaryFolder();
  const store = await openTestStore(home.path);
  await using machine = await temporaryFolder();
  await using source = await temporaryFolder();
  await write(source.path, {
    'app.py': 'run()',
    '__pycache__/app.pyc': 'times',
    'requirements.txt': 'pad==1\n',
    '.venv/pyvenv.cfg': 'home = elsewhere',
    '.venv/lib/python3.11/site-packages/pad/__init__.py': 'pad()',
    '.venv/lib/python3.11/site-packages/pad/__pycache__/x.pyc': 'times',
  });
  const python = await writePython(machine.path);
  const first = await build(store, source.path, python);
  const image = await imageOf(store, first);
  assert.deepEqual(image.Entrypoint, ['/usr/local/bin/python3']);
  assert.deepEqual(image.Cmd, ['app.py']);
  assert.ok(image.Env?.includes('PYTHONPATH=/app/.venv/lib/python3.11/site-packages'));
  const base = await image.list(0);
  const library = base.filter((name) => /^usr\/local\/.*[^/]$/.test(name));
  assert.deepEqual(library, [
    'usr/local/bin/python3',
    'usr/local/lib/python3.11/json/decoder.py',
    'usr/local/lib/python3.11/os.py',
  ]);
  assert.ok(
    (await image.list(1)).includes('app/.venv/lib/python3.11/site-packages/pad/__init__.py'),
  );
  assert.ok(!(await image.list(1)).some((name) => name.includes('__pycache__')));
  assert.deepEqual(await image.list(2), ['app/', 'app/app.py', 'app/requirements.txt']);

  await writeFile(path.join(source.path, 'app.py'), 'run_again()');
  const second = await imageOf(store, await build(store, source.path, python));
  assert.deepEqual(second.layers.slice(0, 2), image.layers.slice(0, 2));
  assert.notEqual(second.layers[2], image.layers[2]);
});

test('build: files are served by a layer of their own on Node', async () => {
  await using home = await temporaryFolder();
  const store = await openTestStore(home.path);
  await using pages = await temporaryFolder();
  await write(pages.path, { 'index.html': '<p>', 'css/site.css': '' });
  await using program = await temporaryFolder();
  await write(program.path, { 'server.js': '' });
  const image = await imageOf(store, await build(store, pages.path));
  assert.deepEqual(image.Cmd, ['/usr/local/lib/knode/serve-files.ts']);
  assert.ok((await image.list(1)).includes('usr/local/lib/knode/serve-files.ts'));
  assert.deepEqual(await image.list(2), ['app/', 'app/css/', 'app/css/site.css', 'app/index.html']);
  const other = await imageOf(store, await build(store, program.path));
  assert.equal(other.layers[0], image.layers[0], 'one base for all that runs on Node');
});

test('build: order, times, owners and the umask of a clone do not show', async () => {
  const files = {
    'index.html': '<p>',
    'b/z.txt': 'z',
    'b/a.txt': 'a',
    'é/ü.txt': 'u',
    'c.txt': '',
  };
  const names = Object.keys(files);
  const digests: string[] = [];
  for (const clone of [1, 2, 3]) {
    await using home = await temporaryFolder();
    await using source = await temporaryFolder();
    const ordered = clone === 2 ? names.toReversed() : names;
    for (const name of ordered) await write(source.path, { [name]: Reflect.get(files, name) });
    await symlink('b/a.txt', path.join(source.path, 'link'));
    for (const name of ordered) {
      const file = path.join(source.path, name);
      await chmod(file, clone === 1 ? 0o600 : 0o664);
      await utimes(file, clone * 1e8, clone * 1e8);
      if (process.getuid?.() === 0) await chown(file, clone * 1000, clone * 1000);
    }
    await chmod(path.join(source.path, 'b'), clone === 1 ? 0o700 : 0o775);
    // What may be executed is a difference.
    if (clone === 3) await chmod(path.join(source.path, 'c.txt'), 0o755);
    digests.push((await build(await openTestStore(home.path), source.path)).digest);
  }
  assert.equal(digests[0], digests[1]);
  assert.notEqual(digests[0], digests[2]);
});

test('source: .dockerignore leaves out of the source, not of the dependencies', async () => {
  await using folder = await temporaryFolder();
  await write(folder.path, {
    'package.json': '{"main":"a.js","dependencies":{"x":"1"}}',
    'a.js': '',
    'node_modules/x/x.js': '',
    'logs/old.log': '',
    'logs/keep.log': '',
    'secret.txt': '',
    '.git/HEAD': '',
    '.dockerignore': 'node_modules\nlogs\n!logs/keep.log\nsecret.*\n',
  });
  const { source, dependencies } = await readSourceFolder(folder.path);
  const files = source.filter(({ kind }) => kind === 'file').map((entry) => entry.path);
  assert.deepEqual(files.toSorted(), ['app/a.js', 'app/logs/keep.log', 'app/package.json']);
  assert.deepEqual(dependencies.at(-1)?.path, 'app/node_modules/x/x.js');
});

test('source: what no image can hold, or nobody can run, is refused in a sentence', async () => {
  const refuses = async (
    files: Files,
    wanted: RegExp,
    spoil: (folder: string) => Promise<unknown> = () => Promise.resolve(),
  ): Promise<void> => {
    await using folder = await temporaryFolder();
    await write(folder.path, files);
    await spoil(folder.path);
    await assert.rejects(readSourceFolder(folder.path), (error: Error) => {
      assert.match(error.message, wanted);
      return error.name === 'ImageError';
    });
  };
  const page = { 'index.html': '' };
  await refuses(page, /pipe.* is a socket, pipe or device/, async (folder) =>
    runCommand(['mkfifo', path.join(folder, 'pipe')]),
  );
  await refuses({ ...page, 'a/.wh.index.html': '' }, /would take a file away/);
  await refuses(page, /link a leads out/, (folder) => symlink('../x', path.join(folder, 'a')));
  await refuses(page, /link a leads out/, (folder) => symlink('/etc', path.join(folder, 'a')));
  await refuses(page, /not UTF-8/, (folder) =>
    writeFile(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xff])]), ''),
  );
  await refuses({ 'requirements.txt': '' }, /nothing to run; wanted one of server\.py, main\.py/);
  await refuses({ 'app.py': '', 'requirements.txt': 'flask' }, /python3 -m venv \.venv/);
  await refuses({ ...page, '.dockerignore': '*.html' }, /leaves out index\.html/);
  await refuses({ ...page, '.dockerignore': '#'.repeat(65_537) }, /at most 65536 bytes/);
  await refuses(page, /more than 4 GiB/, async (folder) =>
    runCommand(['truncate', '-s', '4G', path.join(folder, 'a'), path.join(folder, 'b')]),
  );
});

test('build: a Python that is not there, or not the one that packages are for, is told', async () => {
  await using home = await temporaryFolder();
  const store = await openTestStore(home.path);
  await using machine = await temporaryFolder();
  const python = await writePython(machine.path);
  await using source = await temporaryFolder();
  await write(source.path, { 'app.py': '' });
  await assert.rejects(build(store, source.path), /\/nowhere\/python3: cannot be run/);
  await write(source.path, {
    'requirements.txt': 'pad',
    '.venv/lib/python3.9/site-packages/pad.py': '',
  });
  await assert.rejects(build(store, source.path, python), /for Python 3\.9, .*is 3\.11/);
});
