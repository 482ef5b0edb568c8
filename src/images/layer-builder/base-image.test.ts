import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { systemRandom } from '#base/random.ts';
import {
  hastyClock,
  openTestStore,
  startTestRegistry,
  storeImage,
  tarOf,
  temporaryFolder,
} from '#test/support/image-fixture.ts';
import type { ContentStore } from '../content/content-store.ts';
import { DistributionClient } from '../distribution/distribution-client.ts';
import { MANIFEST_BYTES_MAX, OCI_INDEX, parseImageConfig, parseManifest } from '../manifest.ts';
import { buildImage, type BuiltImage } from './build-image.ts';

async function buildOn(
  reference: string,
  { store, source }: { readonly store: ContentStore; readonly source: string },
): Promise<BuiltImage> {
  return await buildImage({
    source,
    // Nothing of this machine is to go into it.
    nodePath: '/nowhere/node',
    base: {
      reference,
      client: new DistributionClient({ clock: hastyClock, random: systemRandom }),
    },
    platform: { os: 'linux', architecture: 'amd64' },
    store,
    reference: 'localhost:5000/built:v1',
    signal: AbortSignal.timeout(10_000),
  });
}

test('base: a program is put on an image of a registry, whose layers stay as they are', async () => {
  await using far = await temporaryFolder();
  const registryStore = await openTestStore(far.path);
  await using registry = await startTestRegistry(registryStore);
  const archives = [await tarOf([{ name: 'a' }]), await tarOf([{ name: 'b' }])];
  const config = { Env: ['PATH=/opt/bin', 'LANG=C'], User: '0', Entrypoint: ['/init'] };
  const base = await storeImage(registryStore, archives, { config });
  const { digest, mediaType } = base.manifest;
  const other = await storeImage(registryStore, [], { architecture: 'arm64' });
  const entry = (of: typeof base.manifest, architecture: string): object => ({
    mediaType: of.mediaType,
    digest: of.digest,
    size: of.bytes.length,
    platform: { os: 'linux', architecture },
  });
  const manifests = [entry(other.manifest, 'arm64'), entry(base.manifest, 'amd64')];
  const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }));
  const stored = await registryStore.ingest([index]);
  const named = { digest: stored.digest, mediaType: OCI_INDEX, tag: 'v1' };
  await registryStore.pushed.put('base', named);
  for (const child of [base.manifest, other.manifest])
    await registryStore.pushed.put('base', { digest: child.digest, mediaType: child.mediaType });
  await registryStore.pushed.put('wrong', { ...named, digest: other.manifest.digest, mediaType });

  await using home = await temporaryFolder();
  await using source = await temporaryFolder();
  const place = { store: await openTestStore(home.path), source: source.path };
  await writeFile(path.join(source.path, 'server.js'), 'run();');
  const reference = `${registry.host}/base:v1`;
  const built = await buildOn(reference, place);
  const manifest = parseManifest((await place.store.read(built.digest, 1e6)) ?? Buffer.alloc(0));
  assert.ok(manifest.content.kind === 'image');
  const { layers, config: configBlob } = manifest.content;
  assert.deepEqual(
    layers.slice(0, 2).map((layer) => layer.digest),
    base.layers,
  );
  assert.deepEqual(
    layers.map((layer) => layer.mediaType.endsWith('+gzip')),
    [true, true, false],
  );
  assert.deepEqual(manifest.annotations, {
    'org.opencontainers.image.base.name': reference,
    'org.opencontainers.image.base.digest': digest,
  });
  const written = await place.store.read(configBlob.digest, MANIFEST_BYTES_MAX);
  const { config: execution, diffIds } = parseImageConfig(written ?? Buffer.alloc(0));
  assert.equal(diffIds.length, 3);
  assert.deepEqual(execution, {
    Entrypoint: ['node'],
    Cmd: ['server.js'],
    Env: ['PATH=/opt/bin', 'LANG=C', 'NODE_ENV=production'],
    User: '65532:65532',
    WorkingDir: '/app',
  });

  await writeFile(path.join(source.path, 'server.js'), 'run_again();');
  assert.notEqual((await buildOn(reference, place)).digest, built.digest);
  await assert.rejects(buildOn(`${registry.host}/none:v1`, place), /none.*404/);
  await assert.rejects(
    buildOn(`${registry.host}/wrong:v1`, place),
    /it is for linux\/arm64, wanted linux\/amd64/,
  );
  // What is not what its digest says is not built upon.
  await using empty = await temporaryFolder();
  const [layer] = base.layers;
  assert.ok(layer);
  const file = registryStore.blobPath(layer);
  const { size } = (await registryStore.stat(layer)) ?? { size: 0 };
  await writeFile(file, Buffer.alloc(size, 1));
  const fresh = { ...place, store: await openTestStore(empty.path) };
  await assert.rejects(buildOn(reference, fresh), /its digest is sha256:/);
});
