import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { systemClock } from '#base/clock.ts';
import { systemRandom } from '#base/random.ts';
import { DistributionClient } from '#images/distribution-client.ts';
import { ImageError } from '#images/image.ts';
import { openImages, type LocalImages } from '#images/images.ts';
import { OCI_INDEX, parseManifest, platformOf } from '#images/manifest.ts';
import { parseReference } from '#images/reference.ts';
import { RegistriesFile } from '#images/registries-file.ts';
import { choosePort } from '#supervisor/ports.ts';
import { openTestStore, storeImage, tarOf, temporaryFolder } from '#test/support/image-fixture.ts';
import { run } from '#test/support/platform.ts';
import { startProgram } from '#test/support/program.ts';
import { makeAuthority } from '#test/support/test-authority.ts';

/** Debian's docker-registry with TLS and a password, and a client of ours that trusts its authority. */
interface Bed extends AsyncDisposable {
  readonly folder: string;
  readonly host: string;
  readonly client: DistributionClient;
}

const { signal } = new AbortController();
const right = { credentials: [{ username: 'builder', password: 'open sesame' }], signal };

async function startBed(): Promise<Bed> {
  const folder = await temporaryFolder();
  const file = (name: string): string => path.join(folder.path, name);
  const authority = makeAuthority();
  const { certificate, key } = authority.serverFor('127.0.0.1');
  await writeFile(file('ca.pem'), authority.certificate);
  await writeFile(file('server.pem'), certificate);
  await writeFile(file('server.key'), key);
  const { username, password } = right.credentials[0] ?? { username: '', password: '' };
  const hashed = await run(['htpasswd', '-Bbn', username, password]);
  assert.equal(hashed.code, 0, `apt-get install apache2-utils: ${hashed.stderr}`);
  await writeFile(file('htpasswd'), hashed.stdout);
  const port = await choosePort(0, 'a port');
  const host = `127.0.0.1:${port}`;
  await writeFile(
    file('config.yml'),
    JSON.stringify({
      version: 0.1,
      storage: { filesystem: { rootdirectory: file('data') }, delete: { enabled: true } },
      auth: { htpasswd: { realm: 'here', path: file('htpasswd') } },
      http: { addr: host, tls: { certificate: file('server.pem'), key: file('server.key') } },
    }),
  );
  const registry = await startProgram(['docker-registry', 'serve', file('config.yml')]);
  await registry.says(/listening on/);
  await writeFile(
    file('registries.yaml'),
    `mirrors: { "${host}": { endpoint: ["https://${host}"] } }
configs: { "${host}": { tls: { ca_file: ca.pem } } }`,
  );
  const registries = new RegistriesFile(file('registries.yaml'));
  return {
    folder: folder.path,
    host,
    client: new DistributionClient({
      clock: systemClock,
      random: systemRandom,
      registries: () => registries.current(),
    }),
    async [Symbol.asyncDispose]() {
      await registry[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function openLocal(home: string, client: DistributionClient): Promise<LocalImages> {
  const store = await openTestStore(home);
  const platform = platformOf('x64');
  const isBuiltIn = (): boolean => false;
  return openImages({ store, client, platform, owners: 'current', clock: systemClock, isBuiltIn });
}

test('docker-registry: an index is pushed and pulled by TLS with a password, and not without', async () => {
  await using bed = await startBed();
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
  await using bed = await startBed();
  await writeFile(
    path.join(bed.folder, 'registries.yaml'),
    `mirrors: { "${bed.host}": { endpoint: ["https://${bed.host}"] } }`,
  );
  await assert.rejects(
    bed.client.resolve(parseReference(`${bed.host}/team/app:v1`), right),
    (error) => error instanceof ImageError && /ca_file/.test(error.message),
  );
});
