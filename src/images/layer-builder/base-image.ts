import type { ContentStore } from '../content/content-store.ts';
import type { Digest } from '../digest.ts';
import type { DistributionClient } from '../distribution/distribution-client.ts';
import { ImageError, type RegistryAccess, type RegistryCredentials } from '../image.ts';
import {
  childrenOf,
  chooseManifest,
  type Descriptor,
  MANIFEST_BYTES_MAX,
  OCI_LAYER,
  parseImageConfig,
  type Platform,
} from '../manifest.ts';
import { formatReference, parseReference } from '../reference.ts';

/** An image of a registry that a program is put on. */
export interface BaseImage {
  readonly reference: string;
  readonly client: DistributionClient;
  readonly credentials?: readonly RegistryCredentials[];
}

/** A layer as a manifest and a configuration name it. */
export interface ImageLayer {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  /** Digest of the archive when it is not compressed. */
  readonly diffId: Digest;
}

interface FetchOptions {
  readonly store: ContentStore;
  readonly platform: Platform;
  readonly onProgress: (step: string) => void;
  readonly signal: AbortSignal;
}

export interface FetchedBase {
  /** Of the image for this platform. */
  readonly digest: Digest;
  readonly layers: readonly ImageLayer[];
  readonly env: readonly string[];
}

/** Fetches what the store does not have of a base image, every digest verified. Throws ImageError. */
export async function fetchBase(
  { reference: text, client, credentials = [] }: BaseImage,
  { store, platform, onProgress, signal }: FetchOptions,
): Promise<FetchedBase> {
  const reference = parseReference(text);
  const access: RegistryAccess = { credentials, signal };
  const invalid = (why: string): ImageError =>
    new ImageError('Invalid', `base ${formatReference(reference)}: ${why}`);
  let manifest = await client.manifest(reference, access);
  const wanted = `${platform.os}/${platform.architecture}`;
  if (manifest.content.kind === 'index') {
    const chosen = chooseManifest(manifest.content, platform);
    if (!chosen) throw invalid(`it has no image for ${wanted}`);
    manifest = await client.manifest({ ...reference, digest: chosen.digest }, access);
  }
  const { content, digest } = manifest;
  if (content.kind === 'index') throw invalid('an index inside an index');
  for (const blob of childrenOf(manifest)) {
    if (await store.touch(blob.digest)) continue;
    onProgress(`base ${formatReference(reference)}: ${(blob.size / 1e6).toFixed(1)} MB`);
    const source = client.blob(reference, blob, access);
    await store.ingest(source, { digest: blob.digest, bytesMax: blob.size });
  }
  const bytes = await store.read(content.config.digest, MANIFEST_BYTES_MAX);
  if (!bytes) throw new ImageError('Unavailable', `base ${text}: it was removed while it was read`);
  const { config, diffIds, platform: made } = parseImageConfig(bytes);
  const found = `${made.os ?? platform.os}/${made.architecture ?? platform.architecture}`;
  if (found !== wanted) throw invalid(`it is for ${found}, wanted ${wanted}`);
  if (diffIds.length !== content.layers.length)
    throw invalid(
      `${content.layers.length} layers in its manifest, ${diffIds.length} in its configuration`,
    );
  const layers = content.layers.flatMap((layer, position) => {
    const diffId = diffIds[position];
    return diffId ? [imageLayer(layer, diffId)] : [];
  });
  return { digest, layers, env: config.Env ?? [] };
}

function imageLayer({ mediaType, digest, size }: Descriptor, diffId: Digest): ImageLayer {
  // An OCI manifest names Docker's layers, which are the same, in OCI's words.
  const isDockers = mediaType === 'application/vnd.docker.image.rootfs.diff.tar.gzip';
  return { mediaType: isDockers ? `${OCI_LAYER}+gzip` : mediaType, digest, size, diffId };
}
