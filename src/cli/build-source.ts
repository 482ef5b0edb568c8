import { systemClock } from '#base/clock.ts';
import { systemRandom } from '#base/random.ts';
import { ContentStore } from '#images/content/content-store.ts';
import { DistributionClient } from '#images/distribution/distribution-client.ts';
import { buildImage, type BuiltImage } from '#images/layer-builder/build-image.ts';
import type { RegistryCredentials } from '#images/image.ts';
import { sweepBuilds } from '#images/layer-builder/sweep-builds.ts';
import { platformOf } from '#images/manifest.ts';
import { RegistriesFile } from '#images/distribution/registries-file.ts';
import { buildFolderOf, registriesFileOf } from '#supervisor/settings.ts';

export interface SourceBuild {
  readonly home: string;
  readonly source: string;
  readonly reference: string;
  /** What it is put on, with what opens its registry; this machine's own Node or Python unless told. */
  readonly base?: {
    readonly reference: string;
    readonly credentials: readonly RegistryCredentials[];
  };
  readonly onProgress: (step: string) => void;
  readonly signal: AbortSignal;
}

/** Builds a program's folder into an image and pushes it to the registry its reference names. */
export async function buildSource(build: SourceBuild): Promise<BuiltImage> {
  const { home, source, reference, base, onProgress, signal } = build;
  const options = { clock: systemClock, random: systemRandom };
  const store = await ContentStore.open({ ...options, home: buildFolderOf(home) });
  const file = new RegistriesFile(registriesFileOf(home));
  const client = new DistributionClient({ ...options, registries: () => file.current() });
  const built = await buildImage({
    source,
    nodePath: process.execPath,
    platform: platformOf(process.arch),
    store,
    client,
    ...(base && { base: { ...base, client } }),
    reference,
    onProgress,
    signal,
  });
  await sweepBuilds(store, systemClock);
  return built;
}
