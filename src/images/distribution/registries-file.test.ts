import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '#test/support/image-fixture.ts';
import { ImageError } from '../image.ts';
import { RegistriesFile } from './registries-file.ts';
import type { Registries } from './registries.ts';

function placesOf(registries: Registries, domain: string): readonly string[] {
  return registries
    .hostsOf(domain)
    .map(({ base, isMirror }) => `${base.href}${isMirror ? ' mirror' : ''}`);
}

test('registries: without a file every registry is itself, loopback without TLS', async () => {
  await using folder = await temporaryFolder();
  const registries = await new RegistriesFile(path.join(folder.path, 'none.yaml')).current();
  assert.deepEqual(placesOf(registries, 'docker.io'), ['https://registry-1.docker.io/v2/']);
  assert.deepEqual(placesOf(registries, 'example.com:5000'), ['https://example.com:5000/v2/']);
  assert.deepEqual(placesOf(registries, '127.0.0.1:5000'), ['http://127.0.0.1:5000/v2/']);
});

test('registries: mirrors come first, credentials and authorities belong to hosts, a change is seen', async () => {
  await using folder = await temporaryFolder();
  const file = path.join(folder.path, 'registries.yaml');
  await writeFile(path.join(folder.path, 'ca.pem'), 'an authority');
  await writeFile(
    file,
    `
mirrors:
  docker.io: { endpoint: ["https://mirror.example.com", "http://10.0.0.1:5000/v2/hub/"] }
  "plain.example.com:5000": { endpoint: ["http://plain.example.com:5000"] }
  "*": { endpoint: ["https://cache.example.com"] }
configs:
  docker.io: { auth: { username: u, password: p } }
  mirror.example.com: { tls: { ca_file: ca.pem } }
  self.example.com: { tls: { insecure_skip_verify: true } }
`,
  );
  const registries = new RegistriesFile(file);
  const first = await registries.current();
  assert.equal(await registries.current(), first, 'read once');
  assert.deepEqual(placesOf(first, 'docker.io'), [
    'https://mirror.example.com/v2/ mirror',
    'http://10.0.0.1:5000/v2/hub/ mirror',
    'https://registry-1.docker.io/v2/',
  ]);
  assert.deepEqual(placesOf(first, 'plain.example.com:5000'), [
    'http://plain.example.com:5000/v2/',
  ]);
  assert.deepEqual(placesOf(first, 'other.example.com'), [
    'https://cache.example.com/v2/ mirror',
    'https://other.example.com/v2/',
  ]);
  assert.deepEqual(first.credentialsOf('registry-1.docker.io'), { username: 'u', password: 'p' });
  assert.equal(first.credentialsOf('mirror.example.com'), undefined);
  assert.deepEqual(first.trustOf('mirror.example.com'), { ca: 'an authority' });
  assert.deepEqual(first.trustOf('self.example.com'), { isUnverified: true });
  await writeFile(file, 'mirrors: {}');
  assert.deepEqual(placesOf(await registries.current(), 'other.example.com'), [
    'https://other.example.com/v2/',
  ]);
});

test('registries: what a person got wrong is named', async () => {
  await using folder = await temporaryFolder();
  const file = path.join(folder.path, 'registries.yaml');
  for (const [text, part] of [
    ['mirrors: [', 'registries.yaml'],
    ['mirrors: [docker.io]', 'mirrors: wanted a map'],
    ['mirrors: { docker.io: { endpoint: mirror.example.com } }', 'mirrors.docker.io.endpoint'],
    ['mirrors: { docker.io: { endpoint: ["mirror.example.com"] } }', 'wanted a URL'],
    ['configs: { a.example: { tls: { ca_file: gone.pem } } }', 'gone.pem'],
    ['configs: { a.example: { tls: { insecure_skip_verify: "yes" } } }', 'true or false'],
    ['configs: { a.example: { auth: { username: 7 } } }', 'configs.a.example.auth.username'],
  ] as const) {
    await writeFile(file, text);
    await assert.rejects(
      new RegistriesFile(file).current(),
      (error) => error instanceof ImageError && error.message.includes(part),
      text,
    );
  }
});
