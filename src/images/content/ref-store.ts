import { mkdir, opendir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { writeFileAtomic } from '#base/atomic-file.ts';
import { type Digest, parseDigest } from '../digest.ts';
import { InTurn } from '../in-turn.ts';
import { unlessMissing } from '../missing-file.ts';

/** What one repository holds. */
export interface Repository {
  readonly tags: Readonly<Record<string, Digest>>;
  /** Every manifest, tagged or not, with the media type it was given with. */
  readonly manifests: Readonly<Record<Digest, HeldManifest>>;
}

interface HeldManifest {
  readonly mediaType: string;
  /** The manifest that this one refers to, which may not be here. */
  readonly subject?: Digest;
}

/** A component of a repository's name never begins with an underscore, so this is never a repository's folder. */
const FILE_NAME = '_repository.json';
const EMPTY: Repository = { tags: {}, manifests: {} };

/**
 * Names of manifests: one small JSON file a repository, replaced atomically. Changes made through one RefStore are
 * ordered; of two processes that change the same repository in the same instant, the later one wins.
 */
export class RefStore {
  readonly #folder: string;
  readonly #turns = new InTurn();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Undefined when nothing was ever put there, or all of it was deleted. */
  async read(repository: string): Promise<Repository | undefined> {
    const text = await unlessMissing(readFile(this.#file(repository), 'utf8'));
    if (text === undefined) return undefined;
    const stored = parseRepository(text, repository);
    return Object.keys(stored.manifests).length > 0 ? stored : undefined;
  }

  /** The digest under a tag, or the digest itself when the repository holds that manifest. */
  async find(repository: string, key: string): Promise<Digest | undefined> {
    const stored = await this.read(repository);
    if (!stored) return undefined;
    if (key.startsWith('sha256:')) {
      const digest = parseDigest(key, 'manifest');
      return Object.hasOwn(stored.manifests, digest) ? digest : undefined;
    }
    return Object.hasOwn(stored.tags, key) ? stored.tags[key] : undefined;
  }

  async put(
    repository: string,
    manifest: HeldManifest & { readonly digest: Digest; readonly tag?: string },
  ): Promise<void> {
    const { digest, tag, ...held } = manifest;
    await this.#change(repository, ({ tags, manifests }) => ({
      tags: tag === undefined ? tags : { ...tags, [tag]: digest },
      manifests: { ...manifests, [digest]: held },
    }));
  }

  async deleteTag(repository: string, tag: string): Promise<void> {
    await this.#change(repository, ({ tags, manifests }) => ({
      tags: Object.fromEntries(Object.entries(tags).filter(([name]) => name !== tag)),
      manifests,
    }));
  }

  /** The manifest, and every tag that names it. */
  async deleteManifest(repository: string, digest: Digest): Promise<void> {
    await this.#change(repository, ({ tags, manifests }) => ({
      tags: Object.fromEntries(Object.entries(tags).filter(([, target]) => target !== digest)),
      manifests: Object.fromEntries(Object.entries(manifests).filter(([name]) => name !== digest)),
    }));
  }

  /** Names of every repository that holds something, in order. */
  async repositories(): Promise<readonly string[]> {
    const names = (await this.#walk(this.#folder, '')).toSorted();
    const held = await Promise.all(names.map(async (name) => (await this.read(name)) && name));
    return held.filter((name): name is string => name !== undefined);
  }

  async #walk(folder: string, prefix: string): Promise<string[]> {
    const names: string[] = [];
    const entries = await unlessMissing(opendir(folder));
    if (!entries) return names;
    for await (const entry of entries) {
      if (entry.name === FILE_NAME) names.push(prefix);
      if (!entry.isDirectory()) continue;
      const name = prefix === '' ? entry.name : `${prefix}/${entry.name}`;
      names.push(...(await this.#walk(path.join(folder, entry.name), name)));
    }
    return names;
  }

  async #change(repository: string, change: (stored: Repository) => Repository): Promise<void> {
    await this.#turns.run(repository, async () => {
      const changed = change((await this.read(repository)) ?? EMPTY);
      const file = this.#file(repository);
      await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
      await writeFileAtomic(file, `${JSON.stringify(changed)}\n`);
    });
  }

  #file(repository: string): string {
    return path.join(this.#folder, ...repository.split('/'), FILE_NAME);
  }
}

function parseRepository(text: string, repository: string): Repository {
  try {
    // Written by this class only, and replaced atomically.
    const stored = JSON.parse(text) as Repository;
    return { tags: stored.tags, manifests: stored.manifests };
  } catch (error) {
    throw new Error(`references of repository ${repository}: the file is not JSON`, {
      cause: error,
    });
  }
}
