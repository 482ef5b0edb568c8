import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { type Clock, systemClock } from '#base/clock.ts';
import { silentLog } from '#base/log.ts';
import { systemRandom } from '#base/random.ts';
import { ContentStore } from '#images/content/content-store.ts';
import { type Digest, digestOf } from '#images/digest.ts';
import {
  type Manifest,
  OCI_CONFIG,
  OCI_LAYER,
  OCI_MANIFEST,
  parseManifest,
} from '#images/manifest.ts';
import { type ListeningRegistry, startRegistry } from '#images/registry/registry.ts';

export type TarEntry = Parameters<ReturnType<typeof pack>['entry']>[0] & { readonly body?: string };

/** A tar archive exactly as told, however hostile. */
export async function tarOf(entries: readonly TarEntry[]): Promise<Buffer> {
  const archive = pack();
  for (const { body, ...header } of entries)
    archive.entry({ mtime: new Date(0), mode: 0o644, ...header }, body ?? '');
  archive.finalize();
  // tar-stream's stream iterates over Buffers; its types leave that out.
  return Buffer.concat(await collected(archive as typeof archive & AsyncIterable<Buffer>));
}

export async function collected<T>(source: AsyncIterable<T>): Promise<readonly T[]> {
  const values: T[] = [];
  for await (const value of source) values.push(value);
  return values;
}

/** An empty folder that is removed with all that is in it. */
export async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'knode-images-'));
  return {
    path: folder,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

export async function openTestStore(
  home: string,
  clock: Clock = systemClock,
): Promise<ContentStore> {
  return ContentStore.open({ home, clock, random: systemRandom });
}

/** The built-in registry on a port of its own. */
export async function startTestRegistry(
  store: ContentStore,
  clock: Clock = systemClock,
): Promise<ListeningRegistry & { readonly host: string }> {
  const registry = await startRegistry({
    store,
    clock,
    random: systemRandom,
    log: silentLog,
    host: '127.0.0.1',
    port: 0,
  });
  return {
    host: `127.0.0.1:${registry.port}`,
    port: registry.port,
    [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose](),
  };
}

/** A clock whose waits are a hundred times shorter, for back-off that is not the test's subject. */
export const hastyClock: Clock = {
  now: () => systemClock.now(),
  monotonicMs: () => systemClock.monotonicMs(),
  after: (delayMs, run) => systemClock.after(delayMs / 100, run),
};

export interface TestImage {
  readonly manifest: Manifest;
  readonly layers: readonly Digest[];
}

/** An image of such layers in the store, under no name. Layers are gzipped as registries hold them. */
export async function storeImage(
  store: ContentStore,
  archives: readonly Buffer[],
  { architecture = 'amd64', config = {} }: { architecture?: string; config?: object } = {},
): Promise<TestImage> {
  const layers = [];
  for (const archive of archives) {
    const blob = await store.ingest([gzipSync(archive)]);
    layers.push({ mediaType: `${OCI_LAYER}+gzip`, ...blob });
  }
  const configBytes = Buffer.from(
    JSON.stringify({
      os: 'linux',
      architecture,
      config,
      rootfs: { type: 'layers', diff_ids: archives.map(digestOf) },
    }),
  );
  const configBlob = await store.ingest([configBytes]);
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: { mediaType: OCI_CONFIG, ...configBlob },
      layers,
    }),
  );
  await store.ingest([bytes]);
  return { manifest: parseManifest(bytes), layers: layers.map(({ digest }) => digest) };
}
