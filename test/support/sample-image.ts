import { systemClock } from '#base/clock.ts';
import { systemRandom } from '#base/random.ts';
import { ContentStore } from '#images/content/content-store.ts';
import { DistributionClient } from '#images/distribution/distribution-client.ts';
import { buildImage } from '#images/layer-builder/build-image.ts';
import { platformOf } from '#images/manifest.ts';
import { sharedLibrariesOf } from '#images/layer-builder/shared-libraries.ts';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { run, type Platform } from '#test/support/platform.ts';

/** Builds samples/hello, pushes it to the platform's registry, and returns its reference by tag. */
export async function sampleImage(platform: Platform): Promise<string> {
  const source = path.resolve(import.meta.dirname, '../../samples/hello');
  return await pushImage(platform, { name: 'hello', source });
}

/** What a person wants in a container to look around; the kind of machine that tests run on has all of them. */
const TOOLS = ['sh', 'cat', 'tar', 'stty', 'sleep', 'head', 'sha256sum', 'id', 'ls', 'ps', 'grep'];

/** An image with this machine's shell and a few programs in /app/bin; containers of it need `TOOLS_ENV`. */
export async function toolsImage(platform: Platform): Promise<string> {
  const source = path.join(platform.home, 'tools');
  const { stdout } = await run([
    'sh',
    '-c',
    `for tool in ${[...TOOLS, ...BAD_TOOLS].join(' ')}; do command -v $tool; done`,
  ]);
  const programs = stdout.trim().split('\n');
  for (const folder of ['bin', 'lib']) mkdirSync(path.join(source, folder), { recursive: true });
  for (const program of programs) {
    copyFileSync(program, path.join(source, 'bin', path.basename(program)));
    for (const library of await sharedLibrariesOf(program))
      copyFileSync(library, path.join(source, 'lib', path.basename(library)));
  }
  writeFileSync(path.join(source, 'server.js'), '');
  return await pushImage(platform, { name: 'tools', source });
}

/** What a container has no business with. */
const BAD_TOOLS = ['mount', 'mknod', 'unshare'];

export const TOOLS_ENV = [
  { name: 'PATH', value: '/app/bin:/usr/local/bin:/usr/bin:/bin' },
  { name: 'LD_LIBRARY_PATH', value: '/app/lib' },
];

/** Builds an image from a folder (see `buildImage`), pushes it to the platform's registry, and returns its reference by tag. */
export async function pushImage(
  platform: Platform,
  { name, source }: { readonly name: string; readonly source: string },
): Promise<string> {
  const record = JSON.parse(
    readFileSync(path.join(platform.home, 'run', 'gateway.json'), 'utf8'),
  ) as { settings: string };
  const { registryPort } = JSON.parse(record.settings) as { registryPort: number };
  const reference = `127.0.0.1:${registryPort}/${name}:latest`;
  await pushFolder({ source, reference, home: path.join(platform.home, 'build') });
  return reference;
}

/** Builds an image from a folder, and pushes it to the registry that the reference names, on loopback; `home` is where it is built. */
export async function pushFolder({
  source,
  reference,
  home,
}: {
  readonly source: string;
  readonly reference: string;
  readonly home: string;
}): Promise<void> {
  const options = { clock: systemClock, random: systemRandom };
  await buildImage({
    source,
    nodePath: process.execPath,
    platform: platformOf(process.arch),
    store: await ContentStore.open({ ...options, home }),
    client: new DistributionClient(options),
    reference,
    signal: AbortSignal.timeout(60_000),
  });
}
