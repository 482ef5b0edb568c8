import { systemClock } from '#base/clock.ts';
import { systemRandom } from '#base/random.ts';
import { ContentStore } from '#images/content-store.ts';
import { DistributionClient } from '#images/distribution-client.ts';
import { buildImage } from '#images/layer-builder/build-image.ts';
import { platformOf } from '#images/manifest.ts';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Platform } from '#test/support/platform.ts';

/** Builds samples/hello, pushes it to the platform's registry, and returns its reference by tag. */
export async function sampleImage(platform: Platform): Promise<string> {
  const options = { clock: systemClock, random: systemRandom };
  const record = JSON.parse(
    readFileSync(path.join(platform.home, 'run', 'gateway.json'), 'utf8'),
  ) as { settings: string };
  const { registryPort } = JSON.parse(record.settings) as { registryPort: number };
  const reference = `127.0.0.1:${registryPort}/hello:latest`;
  await buildImage({
    source: path.resolve(import.meta.dirname, '../../samples/hello'),
    base: 'node',
    nodePath: process.execPath,
    platform: platformOf(process.arch),
    store: await ContentStore.open({ ...options, home: path.join(platform.home, 'build') }),
    client: new DistributionClient(options),
    reference,
    signal: AbortSignal.timeout(60_000),
  });
  return reference;
}
