import type { Clock } from '#base/clock.ts';
import type { ContentStore } from './content/content-store.ts';
import { type Digest, digestOf } from './digest.ts';
import { requireRoom } from './content/disk-room.ts';
import type { DistributionClient } from './distribution/distribution-client.ts';
import { forEachLimited } from './for-each-limited.ts';
import { type Image, ImageError, type Images, type RegistryAccess } from './image.ts';
import { readImageArchive } from './image-archive.ts';
import { LayerStore } from './layers/layer-store.ts';
import type { Owners } from './layers/layer-tree.ts';
import {
  childrenOf,
  chooseManifest,
  type Descriptor,
  type ImageConfigFile,
  type Manifest,
  MANIFEST_BYTES_MAX,
  parseImageConfig,
  parseManifest,
  type Platform,
} from './manifest.ts';
import {
  formatReference,
  isLoopback,
  manifestKeyOf,
  parseReference,
  type Reference,
  repositoryOf,
} from './reference.ts';
import { SingleFlight } from './single-flight.ts';

export interface ImagesOptions {
  readonly store: ContentStore;
  readonly client: DistributionClient;
  /** Which of an index's images run here; see `platformOf`. */
  readonly platform: Platform;
  readonly owners: Owners;
  readonly clock: Clock;
  /** True for the hosts, port included, under which the built-in registry is reached: `localhost:5000`. */
  readonly isBuiltIn: (domain: string) => boolean;
  /** Asked to remove what nobody needs before an image is refused for want of room; nobody unless told. */
  readonly makeRoom?: (signal: AbortSignal) => Promise<void>;
}

export interface ListedImage {
  readonly reference: string;
  readonly digest: Digest;
}

/** Where the built-in registry takes what is pushed to it in order to be named otherwise; see `adopt`. */
export const ADOPTED_REPOSITORY = 'knode.dev/adopted';

/** Downloads of one image at the same time. */
const DOWNLOADS_AT_ONCE = 3;

/** The images on this machine, over one content store. One process at a time may own it. */
export async function openImages(options: ImagesOptions): Promise<LocalImages> {
  const layers = await LayerStore.open(options.store, options);
  return new LocalImages(options, layers);
}

export class LocalImages implements Images {
  readonly #options: ImagesOptions;
  readonly #layers: LayerStore;
  readonly #pulls = new SingleFlight<Image>();
  readonly #downloads = new SingleFlight<void>();
  /** Manifests that are being pulled, and those that were handed out and when: nothing else may know of them yet. */
  readonly #pulling = new Map<Digest, number>();
  readonly #handedOut = new Map<Digest, Date>();

  constructor(options: ImagesOptions, layers: LayerStore) {
    this.#options = options;
    this.#layers = layers;
  }

  async resolve(reference: string, access: RegistryAccess): Promise<string> {
    const parsed = parseReference(reference);
    const digest =
      parsed.digest ??
      (this.#isLocalOnly(parsed)
        ? await this.#findRoot(parsed)
        : await this.#options.client.resolve(parsed, access));
    if (!digest) throw missing(parsed);
    return `${repositoryOf(parsed)}@${digest}`;
  }

  async find(reference: string): Promise<Image | undefined> {
    const parsed = parseReference(reference);
    return this.#findImage(parsed, new AbortController().signal);
  }

  async pull(reference: string, access: RegistryAccess): Promise<Image> {
    const { credentials = [], signal } = access;
    const parsed = parseReference(reference);
    // Who may pull it must not fail, or succeed, with somebody who has other credentials.
    const key = `${formatReference(parsed)} ${digestOf(JSON.stringify(credentials))}`;
    return this.#pulls.run(key, signal, async (shared) => {
      // A digest never moves, so what is here need not be asked for.
      const isSettled = parsed.digest !== undefined || this.#isLocalOnly(parsed);
      const found = isSettled ? await this.#findImage(parsed, shared) : undefined;
      if (found) return found;
      if (this.#isLocalOnly(parsed)) throw missing(parsed);
      return this.#pullFrom(parsed, { ...access, signal: shared });
    });
  }

  /** Every tag, and every manifest without one, with its digest; the built-in registry's under `builtInHost`. */
  async list(builtInHost: string): Promise<readonly ListedImage[]> {
    const { pushed, pulled } = this.#options.store;
    const listed: ListedImage[] = [];
    for (const [refs, prefix] of [
      [pushed, `${builtInHost}/`],
      [pulled, ''],
    ] as const)
      for (const name of await refs.repositories()) {
        const { tags = {}, manifests = {} } = (await refs.read(name)) ?? {};
        const tagged = new Set(Object.values(tags));
        for (const [tag, digest] of Object.entries(tags))
          listed.push({ reference: `${prefix}${name}:${tag}`, digest });
        for (const digest of Object.keys(manifests) as Digest[])
          if (!tagged.has(digest)) listed.push({ reference: `${prefix}${name}@${digest}`, digest });
      }
    return listed;
  }

  /**
   * Takes in an archive as `docker save` or an OCI layout writes it. `reference` names what the archive does not.
   * Throws ImageError `Invalid`.
   */
  async importArchive(
    archive: AsyncIterable<Uint8Array>,
    { reference }: { readonly reference?: string } = {},
  ): Promise<readonly ListedImage[]> {
    const imported: ListedImage[] = [];
    for (const { manifest, names } of await readImageArchive(this.#options.store, archive)) {
      const given = names.length > 0 ? names : reference ? [reference] : [];
      if (given.length === 0)
        throw new ImageError('Invalid', 'archive: it does not name its image; give a reference');
      for (const name of given) {
        const parsed = parseReference(name);
        const { refs, repository } = this.#refsOf(parsed);
        const { digest, mediaType } = manifest;
        await refs.put(repository, { digest, mediaType, ...(parsed.tag && { tag: parsed.tag }) });
        imported.push({ reference: formatReference(parsed), digest });
      }
    }
    return imported;
  }

  /** Sends an image that is here to a registry, under its own name or another. Throws ImageError. */
  async push(reference: string, target: string, access: RegistryAccess): Promise<Digest> {
    const { client, store } = this.#options;
    const parsed = parseReference(reference);
    const root = await this.#findRoot(parsed);
    const manifest = root && (await this.#readManifest(root));
    if (!manifest) throw missing(parsed);
    await client.push(parseReference(target), { ...access, store, manifest });
    return root;
  }

  /** Gives a name of any registry to what was pushed to `ADOPTED_REPOSITORY` by digest. Throws ImageError. */
  async adopt(reference: string, digest: Digest): Promise<void> {
    const { store } = this.#options;
    const parsed = parseReference(reference);
    const manifest = await this.#readManifest(digest);
    if (!manifest) throw missing(parsed);
    const { refs, repository } = this.#refsOf(parsed);
    const { mediaType } = manifest;
    await refs.put(repository, { digest, mediaType, ...(parsed.tag && { tag: parsed.tag }) });
    const children = manifest.content.kind === 'index' ? childrenOf(manifest) : [];
    for (const each of [manifest, ...children])
      await store.pushed.deleteManifest(ADOPTED_REPOSITORY, each.digest);
  }

  /** Forgets a reference; its content goes with the next collection. Throws ImageError `NotFound`. */
  async remove(reference: string): Promise<void> {
    const parsed = parseReference(reference);
    const { refs, repository } = this.#refsOf(parsed);
    const digest = await this.#findRoot(parsed);
    if (!digest) throw missing(parsed);
    if (!parsed.digest && parsed.tag) await refs.deleteTag(repository, parsed.tag);
    const { tags = {} } = (await refs.read(repository)) ?? {};
    const isNamed = Object.values(tags).includes(digest);
    if (parsed.digest || !isNamed) await refs.deleteManifest(repository, digest);
  }

  /** Manifests that are being pulled or were handed out since `before`; older ones are forgotten. */
  inHand(before: Date): readonly Digest[] {
    for (const [digest, at] of this.#handedOut) if (at < before) this.#handedOut.delete(digest);
    return [...this.#pulling.keys(), ...this.#handedOut.keys()];
  }

  /** The manifest or index that a reference names, whether or not it is here; undefined for a tag that is not. */
  async rootOf(reference: string): Promise<Digest | undefined> {
    const parsed = parseReference(reference);
    return parsed.digest ?? (await this.#findRoot(parsed));
  }

  /** Removes unpacked layers that no image in `wanted` needs and that are older than `before`. */
  async keepOnlyLayers(wanted: ReadonlySet<Digest>, before: Date): Promise<void> {
    await this.#layers.keepOnly(wanted, before);
  }

  async #pullFrom(reference: Reference, access: RegistryAccess): Promise<Image> {
    const { store, client, platform } = this.#options;
    const { signal } = access;
    const root = await client.manifest(reference, access);
    const { digest: _digest, tag: _tag, ...repository } = reference;
    let manifest = root;
    if (root.content.kind === 'index') {
      const chosen = chooseManifest(root.content, platform);
      if (!chosen) throw wrongPlatform(reference, platform);
      manifest = await client.manifest({ ...repository, digest: chosen.digest }, access);
    }
    if (manifest.content.kind === 'index')
      throw new ImageError('Invalid', `${formatReference(reference)}: an index inside an index`);
    // Before what they lead to: from here on collection leaves all of it alone, however long it takes to come.
    using _pulling = this.#markPulled(root.digest);
    for (const { bytes, digest } of [root, manifest]) await store.ingest([bytes], { digest });
    const blobs = childrenOf(manifest);
    await this.#requireRoom(blobs, signal);
    await forEachLimited(blobs, { limit: DOWNLOADS_AT_ONCE, signal }, (blob, shared) =>
      this.#download(reference, blob, { ...access, signal: shared }),
    );
    const { digest, mediaType } = root;
    const { tag } = reference;
    await store.pulled.put(repositoryOf(reference), { digest, mediaType, ...(tag && { tag }) });
    const image = await this.#unpacked(manifest, signal);
    if (!image)
      throw new ImageError(
        'Unavailable',
        `${formatReference(reference)}: its content was removed while it was pulled`,
      );
    return image;
  }

  /** Better not begun than broken off when the disk is full. */
  async #requireRoom(blobs: readonly Descriptor[], signal: AbortSignal): Promise<void> {
    const { store, makeRoom } = this.#options;
    let missingBytes = 0;
    for (const { digest, size } of blobs) if (!(await store.stat(digest))) missingBytes += size;
    if (missingBytes === 0) return;
    try {
      await requireRoom(store.home, missingBytes);
    } catch (error) {
      if (!makeRoom) throw error;
      await makeRoom(signal);
      await requireRoom(store.home, missingBytes);
    }
  }

  #markPulled(root: Digest): Disposable {
    this.#pulling.set(root, (this.#pulling.get(root) ?? 0) + 1);
    return {
      [Symbol.dispose]: () => {
        const left = (this.#pulling.get(root) ?? 1) - 1;
        if (left > 0) this.#pulling.set(root, left);
        else this.#pulling.delete(root);
      },
    };
  }

  async #download(reference: Reference, blob: Descriptor, access: RegistryAccess): Promise<void> {
    const { store, client } = this.#options;
    const key = `${blob.digest} ${digestOf(JSON.stringify(access.credentials ?? []))}`;
    await this.#downloads.run(key, access.signal, async (signal) => {
      if (await store.touch(blob.digest)) return;
      access.onProgress?.(blob);
      const source = client.blob(reference, blob, { ...access, signal });
      await store.ingest(source, { digest: blob.digest, bytesMax: blob.size });
    });
  }

  async #findImage(reference: Reference, signal: AbortSignal): Promise<Image | undefined> {
    const root = await this.#findRoot(reference);
    const manifest = root && (await this.#readManifest(root));
    if (!manifest) return undefined;
    // When an image was last wanted is what a full disk asks.
    await this.#options.store.touch(root);
    if (manifest.content.kind === 'image') return this.#unpacked(manifest, signal);
    const chosen = chooseManifest(manifest.content, this.#options.platform);
    if (!chosen) throw wrongPlatform(reference, this.#options.platform);
    const child = await this.#readManifest(chosen.digest);
    return child && this.#unpacked(child, signal);
  }

  /** The image once all of its layers are unpacked; undefined when a part of it is not in the store. */
  async #unpacked(manifest: Manifest, signal: AbortSignal): Promise<Image | undefined> {
    const { store, clock } = this.#options;
    const { content, digest } = manifest;
    if (content.kind === 'index') return undefined;
    this.#handedOut.set(digest, clock.now());
    const configBytes = await store.read(content.config.digest, MANIFEST_BYTES_MAX);
    if (!configBytes) return undefined;
    for (const layer of content.layers) if (!(await store.stat(layer.digest))) return undefined;
    const { config, diffIds, platform } = parseImageConfig(configBytes);
    this.#requireRunnable(digest, platform);
    if (diffIds.length !== content.layers.length)
      throw new ImageError(
        'Invalid',
        `image ${digest}: ${content.layers.length} layers in the manifest, ${diffIds.length} in the configuration`,
      );
    const sources = content.layers.flatMap((layer, position) => {
      const diffId = diffIds[position];
      return diffId ? [{ blob: layer.digest, diffId }] : [];
    });
    return { digest, layers: await this.#layers.ensure(sources, signal), config };
  }

  #requireRunnable(digest: Digest, { os, architecture }: ImageConfigFile['platform']): void {
    const { platform } = this.#options;
    const isOther =
      (os && os !== platform.os) || (architecture && architecture !== platform.architecture);
    if (isOther)
      throw new ImageError(
        'Invalid',
        `image ${digest}: it is for ${os}/${architecture}, wanted ${platform.os}/${platform.architecture}`,
      );
  }

  async #readManifest(digest: Digest): Promise<Manifest | undefined> {
    const bytes = await this.#options.store.read(digest, MANIFEST_BYTES_MAX);
    if (!bytes) return undefined;
    if (digestOf(bytes) !== digest)
      throw new ImageError('Invalid', `manifest ${digest}: its file is damaged; remove the image`);
    return parseManifest(bytes);
  }

  async #findRoot(reference: Reference): Promise<Digest | undefined> {
    const { refs, repository } = this.#refsOf(reference);
    const found = await refs.find(repository, manifestKeyOf(reference));
    if (found || !reference.digest || !isLoopback(reference.domain)) return found;
    // Named while the built-in registry had another port; a digest is the same content under any.
    return this.#options.store.pushed.find(reference.path, reference.digest);
  }

  #refsOf(reference: Reference): {
    readonly refs: ContentStore['pushed'];
    readonly repository: string;
  } {
    const { store, isBuiltIn } = this.#options;
    if (isBuiltIn(reference.domain)) return { refs: store.pushed, repository: reference.path };
    return { refs: store.pulled, repository: repositoryOf(reference) };
  }

  /** No registry to ask: the built-in one is here, and `*.local` names what tools load into a machine. */
  #isLocalOnly({ domain }: Reference): boolean {
    return this.#options.isBuiltIn(domain) || /^(?:dev|ko|kind)\.local$/.test(domain);
  }
}

function missing(reference: Reference): ImageError {
  return new ImageError('NotFound', `${formatReference(reference)}: no such image on this machine`);
}

function wrongPlatform(reference: Reference, { os, architecture }: Platform): ImageError {
  return new ImageError(
    'Invalid',
    `${formatReference(reference)}: it has no image for ${os}/${architecture}`,
  );
}
