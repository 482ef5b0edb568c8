import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract, type ExtractEvents } from 'tar-stream';
import type { ContentStore, StoredBlob } from './content/content-store.ts';
import { ImageError } from './image.ts';
import {
  type Manifest,
  MANIFEST_BYTES_MAX,
  OCI_CONFIG,
  OCI_LAYER,
  OCI_MANIFEST,
  parseManifest,
} from './manifest.ts';
import { shown } from './shown.ts';

export interface ArchivedImage {
  readonly manifest: Manifest;
  /** What the archive calls it; none when it does not say. */
  readonly names: readonly string[];
}

const ENTRIES_MAX = 10_000;

/**
 * Takes a tar archive of images into the store: an OCI image layout, or what `docker save` writes (both, with newer
 * versions of it). Throws ImageError `Invalid`. Names are for the caller to give.
 */
export async function readImageArchive(
  store: ContentStore,
  archive: AsyncIterable<Uint8Array>,
): Promise<readonly ArchivedImage[]> {
  const files = await ingestFiles(store, archive);
  const index = await readJson(store, files.get('index.json'));
  if (index !== undefined) return readLayout(store, index);
  const list = await readJson(store, files.get('manifest.json'));
  if (!Array.isArray(list))
    throw new ImageError('Invalid', 'archive: it has neither an index.json nor a manifest.json');
  const images: ArchivedImage[] = [];
  for (const item of list) images.push(await readSaved(store, { files, item }));
  return images;
}

type Files = ReadonlyMap<string, StoredBlob>;
type Entry = ExtractEvents['entry'][1] & AsyncIterable<Buffer>;

/** Every file becomes a blob: which of them matter is known only at the end; collection takes the others. */
async function ingestFiles(
  store: ContentStore,
  archive: AsyncIterable<Uint8Array>,
): Promise<Files> {
  const files = new Map<string, StoredBlob>();
  const entries = extract();
  const ingest = async (): Promise<void> => {
    let count = 0;
    // tar-stream's entries iterate over Buffers; its types leave that out.
    for await (const entry of entries as AsyncIterable<Entry>) {
      count += 1;
      if (count > ENTRIES_MAX)
        throw new ImageError('Invalid', `archive: more than ${ENTRIES_MAX} entries`);
      const { name, type, linkname } = entry.header;
      const at = path.posix.normalize(name);
      if (type === 'file') files.set(at, await store.ingest(entry));
      // Older versions of `docker save` write a layer once and link to it from other images.
      const target = files.get(path.posix.join(path.posix.dirname(at), linkname ?? ''));
      if (type === 'symlink' && target) files.set(at, target);
      entry.resume();
    }
  };
  const outcomes = await Promise.allSettled([
    ingest(),
    pipeline(Readable.from(archive, { objectMode: false }), entries),
  ]);
  for (const outcome of outcomes)
    if (outcome.status === 'rejected') {
      if (outcome.reason instanceof ImageError) throw outcome.reason;
      throw new ImageError(
        'Invalid',
        'archive: it cannot be read as a tar archive',
        outcome.reason,
      );
    }
  return files;
}

async function readLayout(store: ContentStore, index: unknown): Promise<readonly ArchivedImage[]> {
  const { content } = parseManifest(Buffer.from(JSON.stringify(index)));
  if (content.kind !== 'index')
    throw new ImageError('Invalid', 'archive: its index.json is no image index');
  const images: ArchivedImage[] = [];
  for (const { digest, mediaType, annotations } of content.manifests) {
    const bytes = await store.read(digest, MANIFEST_BYTES_MAX);
    if (!bytes) throw new ImageError('Invalid', `archive: manifest ${digest} is not in it`);
    const name =
      annotations?.['io.containerd.image.name'] ??
      annotations?.['org.opencontainers.image.ref.name'];
    images.push({ manifest: parseManifest(bytes, mediaType), names: name ? [name] : [] });
  }
  return images;
}

/** One entry of `docker save`'s own list, which has no manifest: it gets one. */
async function readSaved(
  store: ContentStore,
  { files, item }: { readonly files: Files; readonly item: unknown },
): Promise<ArchivedImage> {
  const { Config, Layers, RepoTags } = (item ?? {}) as Record<string, unknown>;
  const blobOf = (name: unknown): StoredBlob => {
    const blob = typeof name === 'string' ? files.get(path.posix.normalize(name)) : undefined;
    if (!blob) throw new ImageError('Invalid', `archive: file ${shown(name)} is not in it`);
    return blob;
  };
  const names = Array.isArray(RepoTags) ? RepoTags.filter((tag) => typeof tag === 'string') : [];
  const layers = Array.isArray(Layers) ? Layers : [];
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: { mediaType: OCI_CONFIG, ...blobOf(Config) },
      layers: layers.map((layer) => ({ mediaType: OCI_LAYER, ...blobOf(layer) })),
    }),
  );
  await store.ingest([bytes]);
  return { manifest: parseManifest(bytes), names };
}

async function readJson(store: ContentStore, blob: StoredBlob | undefined): Promise<unknown> {
  const bytes = blob && (await store.read(blob.digest, MANIFEST_BYTES_MAX));
  if (!bytes) return undefined;
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (error) {
    throw new ImageError('Invalid', 'archive: its list of images is not JSON', error);
  }
}
