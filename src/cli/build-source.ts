import { systemClock } from '#base/clock.ts';
import { systemRandom } from '#base/random.ts';
import { ContentStore } from '#images/content-store.ts';
import { DistributionClient } from '#images/distribution-client.ts';
import { buildImage, type BuiltImage } from '#images/layer-builder/build-image.ts';
import { platformOf } from '#images/manifest.ts';
import { buildFolderOf } from '#supervisor/settings.ts';

export interface SourceBuild {
  readonly home: string;
  readonly source: string;
  readonly reference: string;
  readonly onProgress: (step: string) => void;
  readonly signal: AbortSignal;
}

/** Builds a program's folder into an image and pushes it to the registry its reference names. */
export async function buildSource(build: SourceBuild): Promise<BuiltImage> {
  const { home, source, reference, onProgress, signal } = build;
  const options = { clock: systemClock, random: systemRandom };
  const store = await ContentStore.open({ ...options, home: buildFolderOf(home) });
  return await buildImage({
    source,
    nodePath: process.execPath,
    platform: platformOf(process.arch),
    store,
    client: new DistributionClient(options),
    reference,
    onProgress,
    signal,
  });
}
