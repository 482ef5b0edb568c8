import assert from 'node:assert/strict';
import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { SignJWT } from 'jose';
import { systemClock } from '#base/clock.ts';
import { systemRandom } from '#base/random.ts';
import { DistributionClient } from '#images/distribution/distribution-client.ts';
import { ImageError, type RegistryCredentials } from '#images/image.ts';
import { openImages, type LocalImages } from '#images/images.ts';
import { OCI_INDEX, parseManifest, platformOf } from '#images/manifest.ts';
import { parseReference } from '#images/reference.ts';
import { RegistriesFile } from '#images/distribution/registries-file.ts';
import { startDockerRegistry } from '#test/support/docker-registry.ts';
import { openTestStore, storeImage, tarOf, temporaryFolder } from '#test/support/image-fixture.ts';
import { startMeddlingProxy } from '#test/support/meddling-proxy.ts';
import { makeAuthority } from '#test/support/test-authority.ts';

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

/** What tokens are asked for with, and the tokens: the distribution project's token specification, with a key by x5c. */
async function startTokenServer(
  authority: ReturnType<typeof makeAuthority>,
  { username, password }: RegistryCredentials,
): Promise<AsyncDisposable & { readonly host: string; readonly asked: string[] }> {
  const { certificate, key } = authority.serverFor('127.0.0.1');
  const signing = createPrivateKey(key);
  const x5c = [new X509Certificate(certificate).raw.toString('base64')];
  const basic = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  const asked: string[] = [];
  const answer = async ({ url = '', headers }: IncomingMessage): Promise<object | undefined> => {
    const { searchParams } = new URL(url, 'https://tokens');
    const scope = searchParams.get('scope') ?? '';
    asked.push(`${headers.authorization === basic ? 'builder' : 'nobody'} ${scope}`);
    if (headers.authorization !== undefined && headers.authorization !== basic) return undefined;
    const [type, name, actions = ''] = scope.split(':');
    // Everybody may pull what is public, the builder everything.
    const may = headers.authorization === basic || (name ?? '').startsWith('public/');
    const access = may ? [{ type, name, actions: actions.split(',') }] : [];
    const token = await new SignJWT({ access })
      .setProtectedHeader({ alg: 'ES256', typ: 'JWT', x5c })
      .setIssuer('tokens')
      .setAudience(searchParams.get('service') ?? '')
      .setSubject('somebody')
      .setIssuedAt()
      .setNotBefore('-5s')
      .setExpirationTime('5m')
      .sign(signing);
    return { token, expires_in: 300 };
  };
  const server = createServer({ key, cert: certificate }, (request, response) => {
    void answer(request).then((body) => {
      response.writeHead(body ? 200 : 401, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body ?? { errors: [{ code: 'UNAUTHORIZED' }] }));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

test('docker-registry: tokens are fetched for what is done, as whom it is done, and used again', async () => {
  const authority = makeAuthority();
  const builder = { username: 'builder', password: 'open sesame' };
  await using tokens = await startTokenServer(authority, builder);
  await using folder = await temporaryFolder();
  const bundle = path.join(folder.path, 'tokens.pem');
  await writeFile(bundle, authority.certificate);
  const realm = `https://${tokens.host}/token`;
  const token = { realm, service: 'here', issuer: 'tokens', rootcertbundle: bundle };
  const believed = [tokens.host];
  await using bed = await startDockerRegistry({ auth: { token }, authority, believed });
  await using far = await temporaryFolder();
  await using near = await temporaryFolder();
  const store = await openTestStore(far.path);
  const { manifest } = await storeImage(store, [await tarOf([{ name: 'file', body: 'content' }])]);
  const right = { credentials: [builder], signal };
  const named = (name: string): string => `${bed.host}/${name}/app:v1`;
  for (const name of ['public', 'private'])
    await bed.client.push(parseReference(named(name)), { ...right, store, manifest });
  assert.deepEqual(
    new Set(tokens.asked),
    new Set(['public', 'private'].map((name) => `builder repository:${name}/app:pull,push`)),
    'one for all of a push',
  );
  assert.equal(tokens.asked.length, 2);
  const images = await openLocal(near.path, bed.client);
  assert.equal((await images.pull(named('public'), { signal })).digest, manifest.digest);
  const refused = (error: unknown): boolean =>
    error instanceof ImageError && error.reason === 'Unauthorized';
  await assert.rejects(images.resolve(named('private'), { signal }), refused);
  const wrong = { ...builder, password: 'wrong' };
  await assert.rejects(images.resolve(named('private'), { credentials: [wrong], signal }), refused);
  assert.equal((await images.pull(named('private'), right)).digest, manifest.digest);
  assert.equal(tokens.asked.at(-1), 'builder repository:private/app:pull');
});

test('docker-registry: as a mirror it is asked first, and what is broken off goes on by ranges', async () => {
  await using bed = await startDockerRegistry();
  await using plain = await startDockerRegistry({ isPlain: true });
  await using proxy = await startMeddlingProxy(plain.host);
  await using far = await temporaryFolder();
  const store = await openTestStore(far.path);
  // Noise is as long when it is compressed.
  const noise = randomBytes(600_000).toString('base64');
  const { manifest, layers } = await storeImage(store, [
    await tarOf([{ name: 'noise', body: noise }]),
  ]);
  for (const registry of [bed, plain]) {
    const reference = parseReference(`${registry.host}/team/app:v1`);
    const credentials = [registry.credentials];
    await registry.client.push(reference, { store, manifest, credentials, signal });
  }
  await using near = await temporaryFolder();
  const file = path.join(near.path, 'registries.yaml');
  await writeFile(
    file,
    JSON.stringify({
      // Nobody is there under that name.
      mirrors: { 'registry.invalid': { endpoint: [`https://${bed.host}`] } },
      configs: {
        [bed.host]: { auth: bed.credentials, tls: { ca_file: path.join(bed.folder, 'ca.pem') } },
        [proxy.host]: { auth: plain.credentials },
      },
    }),
  );
  const registries = new RegistriesFile(file);
  const client = new DistributionClient({
    clock: systemClock,
    random: systemRandom,
    registries: () => registries.current(),
  });
  const images = await openLocal(path.join(near.path, 'mirrored'), client);
  const mirrored = await images.pull('registry.invalid/team/app:v1', { signal });
  assert.equal(mirrored.digest, manifest.digest);

  const ranges: (string | undefined)[] = [];
  proxy.meddle = ({ url = '', headers }, response) => {
    if (headers.authorization === undefined || !url.includes(layers[0] ?? '-')) return false;
    ranges.push(headers.range);
    if (ranges.length > 2) return false;
    // The registry's own answer, cut off after a while.
    const write = response.write.bind(response);
    let left = 200_000;
    response.write = ((chunk: Buffer) => {
      const piece = chunk.subarray(0, left);
      left -= piece.length;
      if (left === 0) setImmediate(() => response.destroy());
      return piece.length === 0 || write(piece);
    }) as typeof response.write;
    return false;
  };
  const cut = await openLocal(path.join(near.path, 'cut'), client);
  const image = await cut.pull(`${proxy.host}/team/app:v1`, { signal });
  assert.equal(image.digest, manifest.digest);
  assert.equal(ranges.length, 3, JSON.stringify(ranges));
  assert.equal(ranges[0], undefined);
  const starts = ranges.slice(1).map((range) => Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1]));
  assert.ok((starts[0] ?? 0) > 0 && (starts[1] ?? 0) > (starts[0] ?? 0), JSON.stringify(ranges));
});
