import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { systemClock } from '#base/clock.ts';
import type { DistributionClient } from '#images/distribution-client.ts';
import { ImageError } from '#images/image.ts';
import { openImages, type LocalImages } from '#images/images.ts';
import { OCI_INDEX, parseManifest, platformOf } from '#images/manifest.ts';
import { parseReference } from '#images/reference.ts';
import { startDockerRegistry } from '#test/support/docker-registry.ts';
import { openTestStore, storeImage, tarOf, temporaryFolder } from '#test/support/image-fixture.ts';

const { signal } = new AbortController();

async function openLocal(home: string, client: DistributionClient): Promise<LocalImages> {
  const store = await openTestStore(home);
  const platform = platformOf('x64');
  const isBuiltIn = (): boolean => false;
  return openImages({ store, client, platform, owners: 'current', clock: systemClock, isBuiltIn });
}

test('docker-registry: an index is pushed and pulled by TLS with a password, and not without', async () => {
  await using bed = await startDockerRegistry();
  const right = { credentials: [bed.credentials], signal };
  await using far = await temporaryFolder();
  await using near = await temporaryFolder();
  const store = await openTestStore(far.path);
  const archive = await tarOf([{ name: 'file', body: 'content' }]);
  const { manifest } = await storeImage(store, [archive]);
  const entry = {
    mediaType: manifest.mediaType,
    digest: manifest.digest,
    size: manifest.bytes.length,
    platform: { os: 'linux', architecture: 'amd64' },
  };
  const index = parseManifest(
    Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [entry] })),
  );
  const name = `${bed.host}/team/app:v1`;
  const reference = parseReference(name);
  const refused = (error: unknown): boolean =>
    error instanceof ImageError && error.reason === 'Unauthorized';
  await assert.rejects(bed.client.push(reference, { store, manifest: index, signal }), refused);
  await bed.client.push(reference, { ...right, store, manifest: index });
  const images = await openLocal(near.path, bed.client);
  const wrong = { credentials: [{ username: 'builder', password: 'wrong' }], signal };
  await assert.rejects(images.pull(name, wrong), refused);
  await assert.rejects(images.resolve(name, { signal }), refused);
  assert.equal(await images.resolve(name, right), `${bed.host}/team/app@${index.digest}`);
  const image = await images.pull(name, right);
  assert.equal(image.digest, manifest.digest);
  await assert.rejects(
    images.pull(`${bed.host}/team/app:v2`, right),
    (error) => error instanceof ImageError && error.reason === 'NotFound',
  );
});

test('docker-registry: a stranger to its authority is told what to do', async () => {
  await using bed = await startDockerRegistry();
  const right = { credentials: [bed.credentials], signal };
  await writeFile(
    path.join(bed.folder, 'registries.yaml'),
    `mirrors: { "${bed.host}": { endpoint: ["https://${bed.host}"] } }`,
  );
  await assert.rejects(
    bed.client.resolve(parseReference(`${bed.host}/team/app:v1`), right),
    (error) => error instanceof ImageError && /ca_file/.test(error.message),
  );
});
