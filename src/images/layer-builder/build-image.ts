import type { ContentStore } from '../content/content-store.ts';
import type { Digest } from '../digest.ts';
import type { DistributionClient } from '../distribution/distribution-client.ts';
import {
  type Manifest,
  OCI_CONFIG,
  OCI_MANIFEST,
  parseManifest,
  type Platform,
} from '../manifest.ts';
import { parseReference, repositoryOf } from '../reference.ts';
import type { BaseImage, ImageLayer } from './base-image.ts';
import { type Foundation, foundationOf, plainLayer } from './foundation.ts';
import { IMAGE_USER } from './base-layer.ts';
import { type BuiltLayer, type LayerEntry, writeLayer } from './layer-archive.ts';
import { PLAIN_TYPESCRIPT_ENV, withoutTypes } from './plain-typescript.ts';
import { APP_FOLDER, readSourceFolder, type SourceFolder } from './source-folder.ts';

export interface BuildImageOptions {
  /** The program's folder. */
  readonly source: string;
  /** The Node that goes into the image where one is needed: this one's own `process.execPath`, as a rule. */
  readonly nodePath: string;
  /** The Python that goes into the image where one is needed, by name or path; `python3` unless told. */
  readonly pythonPath?: string;
  /** Taken instead of both; it must have them on its PATH. */
  readonly base?: BaseImage;
  readonly platform: Platform;
  /** Where layers are made. With the built-in registry's own store, pushing to it copies nothing. */
  readonly store: ContentStore;
  /** By tag: `localhost:5000/hello:latest`. */
  readonly reference: string;
  /** Pushes to the reference's registry. Without one, the store's own registry is given the image, whatever host is named. */
  readonly client?: DistributionClient;
  readonly onProgress?: (step: string) => void;
  readonly signal: AbortSignal;
}

export interface BuiltImage {
  readonly digest: Digest;
  /** By digest: `localhost:5000/hello@sha256:…`. */
  readonly reference: string;
}

/**
 * Builds an image from a program's folder (see `readSourceFolder`), without a daemon and without compressing: the same
 * folder on the same base gives the same digest. Throws ImageError.
 */
export async function buildImage(options: BuildImageOptions): Promise<BuiltImage> {
  const { store, signal, client, onProgress = () => undefined } = options;
  const reference = parseReference(options.reference);
  const folder = await readProgram(options);
  const foundation = await foundationOf(folder.program, { ...options, onProgress });
  const layers: ImageLayer[] = [...foundation.layers];
  for (const [name, entries] of [
    ['dependencies', folder.dependencies],
    ['source', folder.source],
  ] as const) {
    signal.throwIfAborted();
    if (entries.length === 0) continue;
    onProgress(`${name} layer: ${filesIn(entries)} files`);
    layers.push(plainLayer(await writeLayer(store, entries)));
  }
  const manifest = await writeImage(options, { ...foundation, layers });
  const { digest, mediaType } = manifest;
  if (client) {
    onProgress(`push to ${reference.domain}`);
    await client.push(reference, { store, manifest, signal });
  } else {
    const { tag } = reference;
    await store.pushed.put(reference.path, { digest, mediaType, ...(tag && { tag }) });
  }
  return { digest, reference: `${repositoryOf(reference)}@${digest}` };
}

/** With this machine's Node, which knows the hook for it, types are taken out once and not at each start. */
async function readProgram({ source, base }: BuildImageOptions): Promise<SourceFolder> {
  const folder = await readSourceFolder(source);
  if (base || folder.program.kind !== 'node') return folder;
  const plain = await withoutTypes(folder.source);
  if (!plain) return folder;
  const { program } = folder;
  return {
    ...folder,
    source: plain,
    program: { ...program, env: [...program.env, PLAIN_TYPESCRIPT_ENV] },
  };
}

async function writeImage(
  { store, platform }: BuildImageOptions,
  { layers, env, command, annotations }: Foundation,
): Promise<Manifest> {
  const config = await writeJson(store, {
    // The same program is the same image whenever it is built.
    created: new Date(0).toISOString(),
    architecture: platform.architecture,
    os: platform.os,
    config: {
      User: `${IMAGE_USER}:${IMAGE_USER}`,
      Env: env,
      Entrypoint: command.slice(0, 1),
      Cmd: command.slice(1),
      WorkingDir: APP_FOLDER,
    },
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
  });
  const manifest = await writeJson(store, {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: OCI_CONFIG, ...config.blob },
    layers: layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
    ...(annotations && { annotations }),
  });
  return parseManifest(manifest.bytes);
}

async function writeJson(
  store: ContentStore,
  value: unknown,
): Promise<{ readonly bytes: Uint8Array; readonly blob: BuiltLayer }> {
  const bytes = Buffer.from(JSON.stringify(value));
  return { bytes, blob: await store.ingest([bytes]) };
}

function filesIn(entries: readonly LayerEntry[]): number {
  return entries.filter(({ kind }) => kind !== 'folder').length;
}
