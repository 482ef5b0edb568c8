import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
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
import { run, startPlatform, toolsFolder, type Outcome } from '#test/support/platform.ts';

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

test('registry: service accounts get by TLS what their role lets them', async () => {
  await using platform = await startPlatform();
  await using folder = await temporaryFolder();
  const { podFacing } = JSON.parse(
    await readFile(path.join(platform.home, 'network.json'), 'utf8'),
  ) as { podFacing: string };
  const service = ['-n', 'knative-serving', 'get', 'endpointslices', '-o', 'json'];
  const slices = JSON.parse(await platform.ok(service)) as {
    items: { metadata: { labels: Record<string, string> }; ports: { port: number }[] }[];
  };
  const slice = slices.items.find(
    ({ metadata }) => metadata.labels['kubernetes.io/service-name'] === 'registry',
  );
  const host = `${podFacing}:${slice?.ports[0]?.port}`;
  const ca = path.join(folder.path, 'ca.crt');
  await writeFile(
    ca,
    await platform.ok(['get', 'configmap', 'kube-root-ca.crt', '-o', 'jsonpath={.data.ca\\.crt}']),
  );
  const archive = path.join(folder.path, 'saved.tar');
  await writeFile(archive, await savedImage('example.com/saved:v1'));
  const token = (await platform.ok(['create', 'token', 'default'])).trim();
  const crane = async (...args: readonly string[]): Promise<Outcome> =>
    await run([path.join(toolsFolder(), 'crane'), ...args], {
      env: { ...process.env, HOME: folder.path, SSL_CERT_FILE: ca },
      timeoutMs: 30_000,
    });
  const stranger = await crane('push', archive, `${host}/default/app:v1`);
  assert.match(stranger.stderr, /401 Unauthorized/);
  assert.equal((await crane('auth', 'login', host, '-u', 'any', '-p', token)).code, 0);
  const early = await crane('push', archive, `${host}/default/app:v1`);
  assert.match(early.stderr, /DENIED/);
  await platform.ok(
    ['apply', '-f', '-'],
    JSON.stringify({
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'Role',
      metadata: { name: 'builder', namespace: 'default' },
      rules: [
        { apiGroups: ['registry.knode.dev'], resources: ['repositories'], verbs: ['update'] },
      ],
    }),
  );
  const binding = ['create', 'rolebinding', 'builder', '--role=builder'];
  await platform.ok([...binding, '--serviceaccount=default:default']);
  const pushed = await crane('push', archive, `${host}/default/app:v1`);
  assert.equal(pushed.code, 0, pushed.stderr);
  assert.equal((await crane('digest', `${host}/default/app:v1`)).code, 0);
  const other = await crane('push', archive, `${host}/kube-system/app:v1`);
  assert.match(other.stderr, /403 Forbidden/);
  // The node finds it under the name that pods use, without asking anybody.
  const name = 'registry.knative-serving.svc.cluster.local/default/app:v1';
  assert.equal((await platform.knode('image', 'pull', name)).code, 0);
});
