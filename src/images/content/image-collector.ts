import { statfs } from 'node:fs/promises';
import { type Clock, sleep } from '#base/clock.ts';
import { Gate } from '#base/gate.ts';
import type { Log } from '#base/log.ts';
import type { ContentStore } from './content-store.ts';
import { type Digest, isDigest } from '../digest.ts';
import { collectGarbage, reachableContent } from './garbage.ts';
import { ImageError } from '../image.ts';
import type { LocalImages } from '../images.ts';

export interface ImageCollectorOptions {
  readonly store: ContentStore;
  readonly images: LocalImages;
  /** References and manifest digests of what runs, is prepared, or must be able to start without a registry. */
  readonly needed: () => Promise<Iterable<string>>;
  readonly clock: Clock;
  readonly log: Log;
  /** Above the one, least recently used images are given up until it is below the other; percent of the disk used. */
  readonly thresholds?: { readonly high: number; readonly low: number };
}

export interface DescribedImage {
  readonly reference: string;
  readonly digest: string;
  /** Of its blobs, those included that it shares with other images. */
  readonly bytes: number;
  /** RFC 3339. */
  readonly lastUsed: string | null;
  /** By a container, or by a Revision. */
  readonly isNeeded: boolean;
}

export interface Pruned {
  /** Of blobs; what was unpacked of them is freed besides. */
  readonly freedBytes: number;
  /** Names that were given up, with their digest. */
  readonly removed: readonly string[];
}

/** The kubelet's figures. */
const THRESHOLDS = { high: 85, low: 80 };
const PERIOD_MS = 5 * 60_000;
/** What nothing names is looked for every so many periods. */
const PERIODS_A_SWEEP = 12;
/** With a person or a full disk waiting; a push that rests longer than this between two blobs begins again. */
const SHORT_GRACE_MS = 10 * 60_000;

/** Keeps the disk from filling with images that nobody needs any more. Tags in the built-in registry are never given up. */
export class ImageCollector {
  readonly #options: ImageCollectorOptions;
  readonly #turns = new Gate(1);

  constructor(options: ImageCollectorOptions) {
    this.#options = options;
  }

  /** Looks after the disk until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    try {
      for (let period = 1; ; period += 1) {
        await sleep(clock, PERIOD_MS, signal);
        const isSweep = period % PERIODS_A_SWEEP === 0;
        await this.look({ isSweep, signal }).catch((error: unknown) => {
          if (!signal.aborted) log.error('images: the disk could not be looked after', { error });
        });
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** Removes what nothing names; with `isAll` also pulled images that nothing needs. Fresh content has ten minutes' grace. */
  async prune({ isAll, signal }: { isAll: boolean; signal: AbortSignal }): Promise<Pruned> {
    return await this.#turns.run(async () => {
      const needed = await this.#neededDigests();
      const removed: string[] = [];
      if (isAll)
        for (const candidate of await this.#candidates(needed))
          removed.push(...(await this.#giveUp(candidate)));
      return { freedBytes: await this.#collect(needed, SHORT_GRACE_MS), removed };
    }, signal);
  }

  /** Every image with what it takes, and whether something needs it; the built-in registry's under `builtInHost`. */
  async list(builtInHost: string): Promise<readonly DescribedImage[]> {
    const { store, images } = this.#options;
    const needed = await this.#neededDigests();
    const described: DescribedImage[] = [];
    for (const { reference, digest } of await images.list(builtInHost)) {
      let bytes = 0;
      for (const blob of (await reachableContent(store, [digest])).blobs)
        bytes += (await store.stat(blob))?.size ?? 0;
      const lastUsed = (await store.stat(digest))?.touchedAt.toISOString() ?? null;
      const isNeeded = await this.#isNeeded(digest, needed);
      described.push({ reference, digest, bytes, lastUsed, isNeeded });
    }
    return described;
  }

  /** Forgets a name. Throws ImageError: `NotFound`, or `InUse` where that would leave something without its image. */
  async remove(reference: string, { isForced = false } = {}): Promise<void> {
    const { images } = this.#options;
    const root = await images.rootOf(reference);
    if (!isForced && root && (await this.#isNeeded(root, await this.#neededDigests())))
      throw new ImageError(
        'InUse',
        `${reference}: a container or a Revision needs this image; delete that first, or force the removal`,
      );
    await images.remove(reference);
  }

  /** Makes room where the disk is full; with `isSweep` also removes what nothing names. */
  async look({ isSweep, signal }: { isSweep: boolean; signal: AbortSignal }): Promise<void> {
    await this.#turns.run(() => this.#look(isSweep), signal);
  }

  async #look(isSweep: boolean): Promise<void> {
    const { log } = this.#options;
    const { high, low } = this.#options.thresholds ?? THRESHOLDS;
    const isFull = (await this.#usedPercent()) >= high;
    if (!isFull && !isSweep) return;
    const needed = await this.#neededDigests();
    await this.#collect(needed, isFull ? SHORT_GRACE_MS : undefined);
    if (!isFull) return;
    const removed: string[] = [];
    for (const candidate of await this.#candidates(needed)) {
      if ((await this.#usedPercent()) <= low) break;
      removed.push(...(await this.#giveUp(candidate)));
      await this.#collect(needed, SHORT_GRACE_MS);
    }
    const usedPercent = await this.#usedPercent();
    log.warn(
      usedPercent >= high
        ? 'images: the disk is full, and no image is left that nobody needs'
        : 'images: the disk was full; images that nobody needs were removed',
      { usedPercent: Math.round(usedPercent), removed },
    );
  }

  async #usedPercent(): Promise<number> {
    const { blocks, bavail } = await statfs(this.#options.store.home);
    return (1 - Number(bavail) / Number(blocks)) * 100;
  }

  /** Manifests, and the indexes that lead to them. */
  async #neededDigests(): Promise<ReadonlySet<Digest>> {
    const { images, needed } = this.#options;
    const digests = new Set<Digest>();
    for (const name of await needed()) {
      const digest = isDigest(name) ? name : await images.rootOf(name);
      if (digest) digests.add(digest);
    }
    return digests;
  }

  /** Pulled images that nothing needs and nobody wanted lately, least recently used first. */
  async #candidates(needed: ReadonlySet<Digest>): Promise<readonly Candidate[]> {
    const { store, clock } = this.#options;
    const before = new Date(clock.now().getTime() - SHORT_GRACE_MS);
    const candidates: Candidate[] = [];
    for (const repository of await store.pulled.repositories()) {
      const { manifests = {} } = (await store.pulled.read(repository)) ?? {};
      for (const digest of Object.keys(manifests) as Digest[]) {
        const touchedAt = (await store.stat(digest))?.touchedAt ?? new Date(0);
        if (touchedAt < before && !(await this.#isNeeded(digest, needed)))
          candidates.push({ repository, digest, touchedAt });
      }
    }
    return candidates.toSorted((a, b) => a.touchedAt.getTime() - b.touchedAt.getTime());
  }

  /** An index is needed where one of its images is. */
  async #isNeeded(root: Digest, needed: ReadonlySet<Digest>): Promise<boolean> {
    const { manifests } = await reachableContent(this.#options.store, [root]);
    return [...manifests].some((digest) => needed.has(digest));
  }

  async #giveUp({ repository, digest }: Candidate): Promise<readonly string[]> {
    const { pulled } = this.#options.store;
    const { tags = {} } = (await pulled.read(repository)) ?? {};
    await pulled.deleteManifest(repository, digest);
    const names = Object.keys(tags).filter((tag) => tags[tag] === digest);
    return names.length > 0
      ? names.map((tag) => `${repository}:${tag}`)
      : [`${repository}@${digest}`];
  }

  async #collect(needed: ReadonlySet<Digest>, graceMs: number | undefined): Promise<number> {
    const { store, images, clock } = this.#options;
    const grace = graceMs === undefined ? {} : { graceMs };
    return await collectGarbage({ store, images, clock, inUse: needed, ...grace });
  }
}

interface Candidate {
  readonly repository: string;
  readonly digest: Digest;
  readonly touchedAt: Date;
}
