import path from 'node:path';
import type { ContentStore } from '#images/content/content-store.ts';
import { type Digest, digestOf } from '#images/digest.ts';
import { buildImage } from '#images/layer-builder/build-image.ts';
import { OCI_LAYER, platformOf } from '#images/manifest.ts';
import { tarOf } from '#test/support/image-fixture.ts';

const FILLER_BYTES = 48 * 1024 ** 2;

/** Publishes an image of a server, and under each of `names` the same with 48 MiB more of its own. */
export async function publishLargeImages(
  store: ContentStore,
  names: readonly string[],
): Promise<void> {
  const source = path.resolve(import.meta.dirname, '../../samples/hello');
  const platform = platformOf(process.arch);
  const reference = 'localhost:1/hello:v1';
  const options = {
    source,
    platform,
    store,
    reference,
    signal: AbortSignal.timeout(60_000),
    nodePath: process.execPath,
  };
  const { digest } = await buildImage(options);
  const manifest = await readJson(store, digest);
  const config = await readJson(store, manifest.config.digest);
  for (const name of names) {
    const archive = await tarOf([{ name: 'filler', body: name.padEnd(FILLER_BYTES) }]);
    const layer = await store.ingest([archive]);
    const diffIds = [...config.rootfs.diff_ids, digestOf(archive)];
    const configBlob = await store.ingest([json({ ...config, rootfs: { diff_ids: diffIds } })]);
    const bytes = json({
      ...manifest,
      config: { ...manifest.config, ...configBlob },
      layers: [...manifest.layers, { mediaType: OCI_LAYER, ...layer }],
    });
    const made = await store.ingest([bytes]);
    await store.pushed.put(name, { ...made, mediaType: manifest.mediaType, tag: 'v1' });
  }
}

interface Parts {
  readonly mediaType: string;
  readonly config: { readonly digest: Digest };
  readonly layers: readonly object[];
  readonly rootfs: { readonly diff_ids: readonly string[] };
}

async function readJson(store: ContentStore, digest: Digest): Promise<Parts> {
  return JSON.parse(Buffer.from((await store.read(digest, 1e6)) ?? []).toString()) as Parts;
}

const json = (value: object): Buffer => Buffer.from(JSON.stringify(value));
