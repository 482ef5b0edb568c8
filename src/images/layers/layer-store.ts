import { lstat, mkdir, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Clock } from '#base/clock.ts';
import { runCommand } from '#base/command.ts';
import type { ContentStore } from '../content/content-store.ts';
import { type Digest, digestOf, hexOf } from '../digest.ts';
import { ImageError } from '../image.ts';
import type { Owners } from './layer-tree.ts';
import { InTurn } from '../in-turn.ts';
import { hasCode, unlessMissing } from '../missing-file.ts';
import { SingleFlight } from '../single-flight.ts';
import { UnpackBudget, unpackLayer } from './unpack.ts';

/** One layer of an image: the blob it comes from, and what its uncompressed archive must be. */
export interface LayerSource {
  readonly blob: Digest;
  readonly diffId: Digest;
}

export interface LayerStoreOptions {
  readonly owners: Owners;
  readonly clock: Clock;
}

const SYNC_TIMEOUT_MS = 120_000;

/**
 * Unpacked layers, each in a folder named by its chain id (OCI config.md, "Layer ChainID"): images that begin alike
 * share them. By chain and not by layer, because how a layer unpacks depends on those below it. A folder is there whole
 * or not at all. One process at a time may own the folder.
 */
export class LayerStore {
  readonly #folder: string;
  readonly #store: ContentStore;
  readonly #owners: Owners;
  readonly #clock: Clock;
  readonly #flights = new SingleFlight<void>();
  /** When a folder was last asked for; older than the longest grace is forgotten. */
  readonly #askedAt = new Map<string, Date>();
  readonly #turns = new InTurn();
  /** Content never changes, so what was refused once would be refused again, after as much work. */
  readonly #refused = new Map<string, ImageError>();

  private constructor(store: ContentStore, { owners, clock }: LayerStoreOptions) {
    this.#folder = path.join(store.home, 'layers');
    this.#store = store;
    this.#owners = owners;
    this.#clock = clock;
  }

  /** Removes what an earlier process left half unpacked. */
  static async open(store: ContentStore, options: LayerStoreOptions): Promise<LayerStore> {
    const layers = new LayerStore(store, options);
    // Containers with users of their own pass through on their way to a shared root.
    await mkdir(layers.#folder, { recursive: true, mode: 0o711 });
    for (const name of await readdir(layers.#folder))
      if (isTemporary(name)) await rm(path.join(layers.#folder, name), { recursive: true });
    return layers;
  }

  /** Unpacks what is missing and returns the folders, lowest first. Throws ImageError. */
  async ensure(layers: readonly LayerSource[], signal: AbortSignal): Promise<readonly string[]> {
    const chain = chainIds(layers.map(({ diffId }) => diffId));
    const folders = chain.map((id) => path.join(this.#folder, hexOf(id)));
    const budget = new UnpackBudget();
    for (const folder of folders) this.#askedAt.set(folder, this.#clock.now());
    for (const [position, layer] of layers.entries()) {
      const folder = folders[position] ?? '';
      if (await this.#turns.run(folder, () => unlessMissing(lstat(folder)))) continue;
      const lowers = folders.slice(0, position);
      await this.#flights.run(folder, signal, (shared) =>
        this.#unpack(layer, { folder, lowers, budget, signal: shared }),
      );
    }
    return folders;
  }

  /** Removes the layers of no chain in `wanted` that were neither unpacked nor asked for since `before`. */
  async keepOnly(wanted: ReadonlySet<Digest>, before: Date): Promise<void> {
    for (const [folder, at] of this.#askedAt) if (at < before) this.#askedAt.delete(folder);
    for (const name of await readdir(this.#folder)) {
      if (isTemporary(name) || wanted.has(`sha256:${name}`)) continue;
      const folder = path.join(this.#folder, name);
      await this.#turns.run(folder, () => this.#removeUnasked(folder, before));
    }
  }

  async #removeUnasked(folder: string, before: Date): Promise<void> {
    const stats = await unlessMissing(lstat(folder));
    if (!stats || stats.ctime >= before || this.#askedAt.has(folder)) return;
    // First out of sight: a half removed layer must never be taken for a whole one.
    const doomed = this.#temporary();
    await rename(folder, doomed);
    await rm(doomed, { recursive: true });
  }

  async #unpack(layer: LayerSource, where: UnpackWhere): Promise<void> {
    const { folder, lowers, budget, signal } = where;
    const known = this.#refused.get(`${folder} ${layer.blob}`);
    if (known) throw known;
    const target = this.#temporary();
    try {
      const archive = this.#store.blobPath(layer.blob);
      const diffId = await unpackLayer({
        archive,
        target,
        lowers,
        owners: this.#owners,
        budget,
        signal,
      });
      if (diffId !== layer.diffId)
        throw new ImageError('Invalid', `layer: it unpacks to ${diffId}, wanted ${layer.diffId}`);
      // One sync of the file system instead of one for each of thousands of files.
      await runCommand(['sync', '-f', target], { timeoutMs: SYNC_TIMEOUT_MS, signal });
      await moveInto(target, folder);
    } catch (error) {
      if (error instanceof ImageError && error.reason === 'Invalid') {
        if (this.#refused.size >= REFUSED_MAX) this.#refused.clear();
        this.#refused.set(`${folder} ${layer.blob}`, error);
      }
      throw error;
    } finally {
      await rm(target, { recursive: true, force: true });
    }
  }

  #temporary(): string {
    return path.join(this.#folder, `${TEMPORARY}${path.basename(this.#store.temporaryPath())}`);
  }
}

const REFUSED_MAX = 1000;

const TEMPORARY = '.unfinished-';

function isTemporary(name: string): boolean {
  return name.startsWith(TEMPORARY);
}

interface UnpackWhere {
  readonly folder: string;
  readonly lowers: readonly string[];
  readonly budget: UnpackBudget;
  readonly signal: AbortSignal;
}

/** The chain id of each layer: of itself and all below it. */
export function chainIds(diffIds: readonly Digest[]): readonly Digest[] {
  const chain: Digest[] = [];
  for (const diffId of diffIds) {
    const below = chain.at(-1);
    chain.push(below ? digestOf(`${below} ${diffId}`) : diffId);
  }
  return chain;
}

/** Somebody else's whole layer of the same chain is as good. */
async function moveInto(target: string, folder: string): Promise<void> {
  try {
    await rename(target, folder);
  } catch (error) {
    if (!hasCode(error, 'EEXIST', 'ENOTEMPTY')) throw error;
  }
}
