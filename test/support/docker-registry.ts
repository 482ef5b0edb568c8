import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { systemClock } from '#base/clock.ts';
import { systemRandom } from '#base/random.ts';
import { DistributionClient } from '#images/distribution/distribution-client.ts';
import type { RegistryCredentials } from '#images/image.ts';
import { RegistriesFile } from '#images/distribution/registries-file.ts';
import { choosePort } from '#supervisor/ports.ts';
import { temporaryFolder } from '#test/support/image-fixture.ts';
import { run } from '#test/support/platform.ts';
import { startProgram } from '#test/support/program.ts';
import { makeAuthority } from '#test/support/test-authority.ts';

/** Debian's docker-registry, with TLS and a password unless told. */
export interface DockerRegistry extends AsyncDisposable {
  readonly folder: string;
  readonly host: string;
  /** Opens it, where it asks for a password. */
  readonly credentials: RegistryCredentials;
  /** What a `registries.yaml` has to say for it to be believed. */
  readonly registriesYaml: string;
  /** A client of ours that believes its authority. */
  readonly client: DistributionClient;
}

interface DockerRegistryOptions {
  /** As its configuration has it; a password file unless told. */
  readonly auth?: object;
  /** Who vouches for it, and for `believed` hosts besides. */
  readonly authority?: ReturnType<typeof makeAuthority>;
  readonly believed?: readonly string[];
  /** Without TLS. */
  readonly isPlain?: boolean;
}

export async function startDockerRegistry({
  auth,
  authority = makeAuthority(),
  believed = [],
  isPlain = false,
}: DockerRegistryOptions = {}): Promise<DockerRegistry> {
  const folder = await temporaryFolder();
  const file = (name: string): string => path.join(folder.path, name);
  const { certificate, key } = authority.serverFor('127.0.0.1');
  await writeFile(file('ca.pem'), authority.certificate);
  await writeFile(file('server.pem'), certificate);
  await writeFile(file('server.key'), key);
  const credentials = { username: 'builder', password: 'open sesame' };
  const hashed = await run(['htpasswd', '-Bbn', credentials.username, credentials.password]);
  assert.equal(hashed.code, 0, `apt-get install apache2-utils: ${hashed.stderr}`);
  await writeFile(file('htpasswd'), hashed.stdout);
  const host = `127.0.0.1:${await choosePort(0, 'a port')}`;
  await writeFile(
    file('config.yml'),
    JSON.stringify({
      version: 0.1,
      storage: { filesystem: { rootdirectory: file('data') }, delete: { enabled: true } },
      auth: auth ?? { htpasswd: { realm: 'here', path: file('htpasswd') } },
      http: {
        addr: host,
        ...(!isPlain && { tls: { certificate: file('server.pem'), key: file('server.key') } }),
      },
    }),
  );
  const registry = await startProgram(['docker-registry', 'serve', file('config.yml')]);
  await registry.says(/listening on/);
  const trust = { tls: { ca_file: file('ca.pem') } };
  const registriesYaml = JSON.stringify({
    mirrors: { [host]: { endpoint: [`${isPlain ? 'http' : 'https'}://${host}`] } },
    configs: Object.fromEntries([host, ...believed].map((each) => [each, trust])),
  });
  await writeFile(file('registries.yaml'), registriesYaml);
  const registries = new RegistriesFile(file('registries.yaml'));
  return {
    folder: folder.path,
    host,
    credentials,
    registriesYaml,
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
