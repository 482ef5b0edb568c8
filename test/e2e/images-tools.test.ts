import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import type { ContentStore } from '#images/content/content-store.ts';
import {
  openTestStore,
  startTestRegistry,
  storeImage,
  tarOf,
  temporaryFolder,
} from '#test/support/image-fixture.ts';
import { startMeddlingProxy } from '#test/support/meddling-proxy.ts';
import { run, toolsFolder } from '#test/support/platform.ts';
import { startProgram } from '#test/support/program.ts';

/** Other people's tools against the built-in registry; see .ci/run for where they come from. */
interface Bed extends AsyncDisposable {
  readonly folder: string;
  readonly store: ContentStore;
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** Requests so far that match, `METHOD /v2/…`: how a tool got there. */
  count(pattern: RegExp): number;
  /** Runs a tool that must succeed; returns what it printed. */
  tool(program: string, ...args: readonly string[]): Promise<string>;
}

async function openBed(): Promise<Bed> {
  const folder = await temporaryFolder();
  const store = await openTestStore(folder.path);
  const registry = await startTestRegistry(store);
  const proxy = await startMeddlingProxy(registry.host);
  // As where each repository has its own: who hears that a blob is there neither uploads nor mounts it.
  const known = new Set<string>();
  proxy.meddle = ({ method, url = '' }, response) => {
    const { pathname, searchParams } = new URL(url, 'http://registry');
    const [, repository, digest] = /^\/v2\/(.*)\/blobs\/(sha256:\w+)?/.exec(pathname) ?? [];
    const blob = digest ?? searchParams.get('digest') ?? searchParams.get('mount');
    const isHidden =
      method === 'HEAD' && digest !== undefined && !known.has(`${repository} ${blob}`);
    if (isHidden) response.writeHead(404).end();
    else if (blob) known.add(`${repository} ${blob}`);
    return isHidden;
  };
  const env = {
    ...process.env,
    PATH: `${toolsFolder()}:${process.env['PATH']}`,
    HOME: folder.path,
  };
  return {
    folder: folder.path,
    store,
    host: proxy.host,
    count: (pattern) => proxy.asked.filter((line) => pattern.test(line)).length,
    async tool(program, ...args) {
      const { code, stdout, stderr } = await run([program, ...args], { env, timeoutMs: 40_000 });
      assert.equal(code, 0, `${program} ${args.join(' ')}: ${stdout}${stderr}`);
      return stdout.trim();
    },
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** An image of two layers, pushed as `NAME:v1`; its digest. */
async function publish({ store }: Bed, name: string): Promise<string> {
  const archives = [
    await tarOf([{ name: 'hello', body: `hello from ${name}` }]),
    await tarOf([{ name: 'other', body: 'x'.repeat(100_000) }]),
  ];
  const { manifest } = await storeImage(store, archives, { config: { Cmd: ['/hello'] } });
  const { digest, mediaType } = manifest;
  await store.pushed.put(name, { digest, mediaType, tag: 'v1' });
  return digest;
}

test('skopeo: inspects, pulls, pushes, lists and deletes', async () => {
  await using bed = await openBed();
  const digest = await publish(bed, 'team/app');
  const remote = (name: string): string => `docker://${bed.host}/${name}`;
  const plain = ['--insecure-policy', '--tmpdir', bed.folder];
  const inspected = JSON.parse(
    await bed.tool('skopeo', 'inspect', '--tls-verify=false', remote('team/app:v1')),
  ) as { Digest: string; RepoTags: string[] };
  assert.deepEqual([inspected.Digest, inspected.RepoTags], [digest, ['v1']]);
  const archive = `oci-archive:${bed.folder}/app.tar`;
  const copy = ['skopeo', ...plain, 'copy'] as const;
  await bed.tool(...copy, '--src-tls-verify=false', remote('team/app:v1'), archive);
  await bed.tool(...copy, '--dest-tls-verify=false', archive, remote('other/app:v2'));
  const flags = ['--src-tls-verify=false', '--dest-tls-verify=false'];
  await bed.tool(...copy, ...flags, remote('other/app:v2'), remote('other/app:v3'));
  await bed.tool(...copy, ...flags, remote('other/app:v2'), remote('third/app:v2'));
  const tags = await bed.tool('skopeo', 'list-tags', '--tls-verify=false', remote('other/app'));
  assert.deepEqual((JSON.parse(tags) as { Tags: string[] }).Tags, ['v2', 'v3']);
  await bed.tool('skopeo', 'delete', '--tls-verify=false', remote('other/app:v3'));
  assert.equal(await bed.store.pushed.read('other/app'), undefined, 'by digest, with both tags');
  assert.ok(bed.count(/^PATCH /) > 0, 'in chunks');
  assert.ok(bed.count(/^POST .*[?&]mount=/) > 0, 'from where it knows a blob to be');
  assert.equal(bed.count(/^DELETE .*\/manifests\/sha256:/), 1);
  assert.ok(bed.count(/^GET .*\/tags\/list/) > 0);
});

test('crane: pushes, mounts, pages, reads blobs, appends, deletes', async () => {
  await using bed = await openBed();
  const digest = await publish(bed, 'team/app');
  const name = (text: string): string => `${bed.host}/${text}`;
  const crane = (...args: readonly string[]): Promise<string> => bed.tool('crane', ...args);
  assert.equal(await crane('digest', name('team/app:v1')), digest);
  const tarball = path.join(bed.folder, 'app.tar');
  await crane('pull', name('team/app:v1'), tarball);
  await crane('push', tarball, name('loaded:v1'));
  for (const tag of ['v2', 'v3', 'v4'])
    await crane('copy', name('team/app:v1'), name(`mine:${tag}`));
  assert.ok(bed.count(/^POST .*[?&]mount=/) > 0, 'from one repository to the other');
  assert.equal(await crane('ls', name('mine')), 'v2\nv3\nv4');
  assert.equal(await crane('catalog', bed.host), 'loaded\nmine\nteam/app');
  const manifest = JSON.parse(await crane('manifest', name('mine:v2'))) as {
    config: { digest: string };
  };
  assert.match(await crane('blob', name(`mine@${manifest.config.digest}`)), /"\/hello"/);
  const layer = path.join(bed.folder, 'layer.tar');
  await writeFile(layer, await tarOf([{ name: 'added', body: 'later' }]));
  await crane(
    'append',
    '--base',
    name('mine:v2'),
    '--new_layer',
    layer,
    '--new_tag',
    name('mine:v5'),
  );
  assert.match(await crane('export', name('mine:v5'), '-'), /later/);
  await crane('delete', name(`mine@${digest}`));
  assert.equal(await crane('ls', name('mine')), 'v5');
  assert.match(await crane('validate', '--remote', name('mine:v5')), /PASS/);
  assert.ok(bed.count(/^PATCH /) > 0, 'what is not there yet comes in chunks');
});

test('buildah: builds on a pulled base and pushes', async () => {
  await using bed = await openBed();
  await publish(bed, 'base');
  const storage = ['--root', `${bed.folder}/root`, '--runroot', `${bed.folder}/run`];
  const policy = path.join(bed.folder, 'policy.json');
  await writeFile(policy, '{"default":[{"type":"insecureAcceptAnything"}]}');
  const buildah = (command: string, ...args: readonly string[]): Promise<string> =>
    bed.tool('buildah', ...storage, '--storage-driver', 'vfs', command, ...args);
  const trust = ['--tls-verify=false', '--signature-policy', policy];
  const container = await buildah('from', '--quiet', ...trust, `${bed.host}/base:v1`);
  const file = path.join(bed.folder, 'file');
  await writeFile(file, 'made by buildah');
  await buildah('copy', container, file, '/file');
  await buildah('config', '--cmd', '/file', container);
  await buildah('commit', '--quiet', '--signature-policy', policy, container, 'made');
  await buildah('push', ...trust, 'made', `docker://${bed.host}/made:v1`);
  await buildah('rm', container);
  const exported = await bed.tool('crane', 'export', `${bed.host}/made:v1`, '-');
  assert.match(exported, /made by buildah/);
  assert.ok(bed.count(/^PATCH /) > 0, 'in chunks');
  const tags = await bed.tool('crane', 'ls', `${bed.host}/made`);
  assert.equal(tags, 'v1');
});

test('docker: pulls, tags and pushes', async () => {
  await using bed = await openBed();
  const digest = await publish(bed, 'team/app');
  const socket = `unix://${bed.folder}/docker.sock`;
  const folders = `--data-root ${bed.folder}/data --exec-root ${bed.folder}/exec`;
  const network = '--bridge none --iptables=false --ip-forward=false';
  const command = `dockerd --host ${socket} ${folders} --pidfile ${bed.folder}/docker.pid ${network} --storage-driver vfs`;
  await using daemon = await startProgram(command.split(' '));
  await daemon.says(/API listen on/);
  const docker = (...args: readonly string[]): Promise<string> =>
    bed.tool('/usr/bin/docker', '--host', socket, ...args);
  assert.match(await docker('pull', `${bed.host}/team/app:v1`), new RegExp(digest));
  await docker('tag', `${bed.host}/team/app:v1`, `${bed.host}/by/docker:v1`);
  await docker('push', `${bed.host}/by/docker:v1`);
  assert.ok(await bed.store.pushed.find('by/docker', 'v1'));
  assert.ok(bed.count(/^POST .*[?&]mount=/) > 0, 'from where it was pulled');
  // With a layer of its own, nothing can be mounted.
  const layer = path.join(bed.folder, 'layer.tar');
  await writeFile(layer, await tarOf([{ name: 'mine', body: 'x'.repeat(3_000_000) }]));
  await docker('import', layer, `${bed.host}/by/import:v1`);
  await docker('push', `${bed.host}/by/import:v1`);
  assert.ok(bed.count(/^PATCH .*by\/import/) > 0, 'in chunks');
  await docker('rmi', `${bed.host}/by/docker:v1`, `${bed.host}/team/app:v1`);
  assert.match(await docker('pull', '--quiet', `${bed.host}/by/docker:v1`), /by\/docker:v1/);
});
