import { unlink } from 'node:fs/promises';
import type { Clock } from '#base/clock.ts';
import type { ContentStore } from './content-store.ts';
import type { Digest } from '../digest.ts';
import { ImageError } from '../image.ts';
import type { LocalImages } from '../images.ts';
import { chainIds } from '../layers/layer-store.ts';
import {
  childrenOf,
  type Manifest,
  MANIFEST_BYTES_MAX,
  parseImageConfig,
  parseManifest,
} from '../manifest.ts';
import { unlessMissing } from '../missing-file.ts';

export interface CollectOptions {
  readonly store: ContentStore;
  readonly images: LocalImages;
  readonly clock: Clock;
  /** Manifests that containers run from, whatever became of their names. */
  readonly inUse: Iterable<Digest>;
  /** What was written or asked for later than this long ago stays: somebody may be about to name it. An hour. */
  readonly graceMs?: number;
}

interface Reachable {
  /** Manifests, configurations and layers. */
  readonly blobs: ReadonlySet<Digest>;
  /** Of them, what was looked into: the roots, and what indexes name. */
  readonly manifests: ReadonlySet<Digest>;
  /** Chain ids of unpacked layers. */
  readonly chains: ReadonlySet<Digest>;
}

const GRACE_MS = 60 * 60 * 1000;

/** Deletes content that no name and no container leads to. Returns the bytes of blobs that were freed. */
export async function collectGarbage(options: CollectOptions): Promise<number> {
  const { store, images, clock, inUse, graceMs = GRACE_MS } = options;
  const before = new Date(clock.now().getTime() - graceMs);
  const { blobs, chains } = await namedContent(store, [...inUse, ...images.inHand(before)]);
  let freed = 0;
  for (const digest of await store.blobs())
    if (!blobs.has(digest)) freed += await store.deleteUntouched(digest, before);
  for await (const { file, touchedAt } of store.unfinished())
    if (touchedAt < before) await unlessMissing(unlink(file));
  await images.keepOnlyLayers(chains, before);
  return freed;
}

/** All that the store's names and `roots` lead to. */
export async function namedContent(
  store: ContentStore,
  roots: Iterable<Digest> = [],
): Promise<Reachable> {
  const named = [...roots];
  for (const refs of [store.pushed, store.pulled])
    for (const name of await refs.repositories())
      named.push(...(Object.keys((await refs.read(name))?.manifests ?? {}) as Digest[]));
  return await reachableContent(store, named);
}

/** All that `roots` lead to, themselves included. */
export async function reachableContent(
  store: ContentStore,
  roots: Iterable<Digest>,
): Promise<Reachable> {
  const blobs = new Set<Digest>();
  const manifests = new Set<Digest>();
  const chains = new Set<Digest>();
  const waiting = [...roots];
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    if (manifests.has(next)) continue;
    blobs.add(next);
    manifests.add(next);
    const manifest = await readManifest(store, next);
    if (!manifest) continue;
    const children = childrenOf(manifest).map(({ digest }) => digest);
    if (manifest.content.kind === 'index') waiting.push(...children);
    else for (const child of children) blobs.add(child);
    for (const chain of await chainsOf(store, manifest)) chains.add(chain);
  }
  return { blobs, manifests, chains };
}

/** Undefined for what is not here, as an index's images for other machines are not, or cannot be read. */
function readManifest(store: ContentStore, digest: Digest): Promise<Manifest | undefined> {
  return readable(store, digest, parseManifest);
}

async function chainsOf(store: ContentStore, { content }: Manifest): Promise<readonly Digest[]> {
  if (content.kind === 'index') return [];
  const config = await readable(store, content.config.digest, parseImageConfig);
  return config ? chainIds(config.diffIds) : [];
}

/** Content that is no image of ours, such as a chart's configuration, leads nowhere further. */
async function readable<T>(
  store: ContentStore,
  digest: Digest,
  parse: (bytes: Uint8Array) => T,
): Promise<T | undefined> {
  try {
    const bytes = await store.read(digest, MANIFEST_BYTES_MAX);
    return bytes && parse(bytes);
  } catch (error) {
    if (error instanceof ImageError) return undefined;
    throw error;
  }
}
