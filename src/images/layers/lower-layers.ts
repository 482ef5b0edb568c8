import type { Stats } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import path from 'node:path';
import { unlessMissing } from '../missing-file.ts';

/** What a path shows through unpacked layers stacked by overlayfs. Links are never followed. */
export class LowerLayers {
  /** Highest first. */
  readonly #roots: readonly string[];

  /** `roots` as in an Image: lowest first. */
  constructor(roots: readonly string[]) {
    this.#roots = roots.toReversed();
  }

  /** What is there, or undefined when it is absent or hidden. */
  async stat(entry: string): Promise<Stats | undefined> {
    for (const root of this.#roots) {
      const { found, isFinal } = await this.#statIn(root, entry);
      if (isFinal) return found;
    }
    return undefined;
  }

  /** Names in a folder; those that a higher layer hides are left out. */
  async names(folder: string): Promise<ReadonlySet<string>> {
    const names = new Set<string>();
    const hidden = new Set<string>();
    for (const root of this.#roots) {
      const { found, isFinal } = await this.#statIn(root, folder);
      if (found?.isDirectory()) {
        for (const entry of await readdir(path.join(root, folder), { withFileTypes: true })) {
          if (entry.isCharacterDevice()) hidden.add(entry.name);
          else if (!hidden.has(entry.name)) names.add(entry.name);
        }
      } else if (isFinal) break;
    }
    return names;
  }

  /** `isFinal` when layers below this one cannot show at that path any more. */
  async #statIn(
    root: string,
    entry: string,
  ): Promise<{ readonly found: Stats | undefined; readonly isFinal: boolean }> {
    const components = entry === '' ? [] : entry.split('/');
    let at = root;
    let stats = await lstat(at);
    for (const component of components) {
      // A file, a link or a whiteout where a folder is asked for ends the path here.
      if (!stats.isDirectory()) return { found: undefined, isFinal: true };
      at = path.join(at, component);
      const next = await unlessMissing(lstat(at));
      if (!next) return { found: undefined, isFinal: false };
      stats = next;
    }
    // No layer holds a device of an image's own, so a character device is always a whiteout.
    return { found: stats.isCharacterDevice() ? undefined : stats, isFinal: true };
  }
}
