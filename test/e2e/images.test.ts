import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import {
  openTestStore,
  startTestRegistry,
  storeImage,
  tarOf,
  temporaryFolder,
} from '#test/support/image-fixture.ts';
import { digestOf } from '#images/digest.ts';
import { startPlatform } from '#test/support/platform.ts';

interface Listed {
  readonly images: readonly { reference: string; digest: string; isNeeded: boolean }[];
}

/** What `docker save` wrote before it knew of OCI layouts. */
async function savedImage(name: string): Promise<Buffer> {
  const layer = await tarOf([{ name: 'hello', body: 'hello' }]);
  const config = JSON.stringify({
    os: 'linux',
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    config: { Cmd: ['/hello'] },
    rootfs: { type: 'layers', diff_ids: [digestOf(layer)] },
  });
  return await tarOf([
    { name: 'layer.tar', body: layer.toString('latin1') },
    { name: 'config.json', body: config },
    {
      name: 'manifest.json',
      body: JSON.stringify([{ Config: 'config.json', RepoTags: [name], Layers: ['layer.tar'] }]),
    },
  ]);
}

test('knode image: load, list, push, pull, remove, prune', async () => {
  await using platform = await startPlatform();
  await using folder = await temporaryFolder();
  const knode = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await platform.knode('image', ...args);
    assert.equal(code, 0, `knode image ${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  const list = async (): Promise<Listed['images']> =>
    (JSON.parse(await knode('list', '-o', 'json')) as Listed).images;
  const names = async (): Promise<readonly string[]> =>
    (await list()).map(({ reference }) => reference);
  const archive = path.join(folder.path, 'saved.tar');
  await writeFile(archive, await savedImage('example.com/saved:v1'));
  assert.equal(await knode('load', archive), 'example.com/saved:v1\n');
  assert.deepEqual(await names(), ['example.com/saved:v1']);
  assert.match(await knode('list'), /example\.com\/saved:v1 .* no/);

  const store = await openTestStore(folder.path);
  await using registry = await startTestRegistry(store);
  const target = `${registry.host}/team/saved:v2`;
  const pushed = await knode('push', 'example.com/saved:v1', '--as', target);
  assert.equal(await store.pushed.find('team/saved', 'v2'), pushed.trim());
  assert.equal(await knode('pull', target), pushed);
  assert.deepEqual((await names()).toSorted(), [target, 'example.com/saved:v1'].toSorted());

  // What a pod runs from is not removed by mistake.
  const { digest } = (await storeImage(store, [await tarOf([{ name: 'a' }])])).manifest;
  await store.pushed.put('running', { digest, mediaType: 'm', tag: 'v1' });
  const running = `${registry.host}/running:v1`;
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p' },
    // There is no such program; the container stays, in back-off.
    spec: { containers: [{ name: 'c', image: running, command: ['/none'] }] },
  };
  await platform.ok(['apply', '-f', '-'], JSON.stringify(pod));
  await platform.ok([
    'wait',
    'pod/p',
    '--for=jsonpath={.status.containerStatuses[0].imageID}',
    '--timeout=30s',
  ]);
  const refused = await platform.knode('image', 'remove', running);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /needs this image/);

  await knode('remove', target, 'example.com/saved:v1');
  assert.deepEqual(await names(), [running]);
  assert.match(await knode('prune', '-o', 'json'), /"removed": \[\]/);
  const missing = await platform.knode('image', 'pull', `${registry.host}/none:v1`);
  assert.match(missing.stderr, /none.*404/);
});
