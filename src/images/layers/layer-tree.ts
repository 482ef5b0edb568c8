import type { Stats } from 'node:fs';
import {
  chmod,
  type FileHandle,
  lchown,
  link,
  lstat,
  lutimes,
  mkdir,
  open,
  symlink,
  unlink,
  utimes,
} from 'node:fs/promises';
import path from 'node:path';
import { runCommand } from '#base/command.ts';
import { parentOf, parseEntryPath } from './entry-path.ts';
import { ImageError } from '../image.ts';
import type { LowerLayers } from './lower-layers.ts';
import { hasCode, unlessMissing } from '../missing-file.ts';
import { shown } from '../shown.ts';

/**
 * `image`: files belong to whom the image says, which only root may do. `current`: they belong to this process, set-uid
 * marks are dropped and folders stay accessible to it.
 */
export type Owners = 'image' | 'current';

export interface Attributes {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly modifiedAt: Date;
}

export interface LayerTreeOptions {
  readonly owners: Owners;
  readonly lowers: LowerLayers;
  /** Called before a folder is made that no entry describes; what it throws refuses the layer. */
  readonly onImpliedFolder: () => Promise<void>;
}

/**
 * A layer being unpacked below `root`, which nobody else touches. Nothing is ever written through a link: a path is
 * used only when each of its folders was made here.
 */
export class LayerTree {
  readonly #root: string;
  readonly #owners: Owners;
  readonly #lowers: LowerLayers;
  readonly #onImpliedFolder: () => Promise<void>;
  /** Every folder made so far; its attributes are set last, because they may forbid writing into it. */
  readonly #folders = new Map<string, Attributes>();
  #whiteoutDevice: string | undefined;

  private constructor(root: string, { owners, lowers, onImpliedFolder }: LayerTreeOptions) {
    this.#root = root;
    this.#owners = owners;
    this.#lowers = lowers;
    this.#onImpliedFolder = onImpliedFolder;
  }

  /** Makes the folder `root`, which must not exist. */
  static async create(root: string, options: LayerTreeOptions): Promise<LayerTree> {
    await mkdir(root, { mode: 0o700 });
    const tree = new LayerTree(root, options);
    tree.#folders.set('', await tree.#attributesBelow(''));
    return tree;
  }

  isFolder(entry: string): boolean {
    return this.#folders.has(entry);
  }

  async stat(entry: string): Promise<Stats | undefined> {
    if (!this.isFolder(parentOf(entry))) return undefined;
    return unlessMissing(lstat(this.#at(entry)));
  }

  async addFolder(entry: string, attributes: Attributes): Promise<void> {
    if (!this.#folders.has(entry)) {
      await this.#make(entry, () => mkdir(this.#at(entry), { mode: 0o700 }));
    }
    this.#folders.set(entry, attributes);
  }

  async addFile(
    entry: string,
    attributes: Attributes,
    content: AsyncIterable<Uint8Array>,
  ): Promise<void> {
    const handle = await this.#make(entry, () => open(this.#at(entry), 'wx', 0o600));
    try {
      for await (const chunk of content) await handle.writeFile(chunk);
      await this.#setOnFile(handle, attributes);
    } finally {
      await handle.close();
    }
  }

  /** The target is kept as it is: the kernel resolves it inside the container. */
  async addSymlink(entry: string, attributes: Attributes, target: string): Promise<void> {
    if (target === '' || target.includes('\0'))
      throw refused(entry, `a symbolic link to ${shown(target)}`);
    const at = this.#at(entry);
    await this.#make(entry, () => symlink(target, at));
    if (this.#owners === 'image') await lchown(at, attributes.uid, attributes.gid);
    await lutimes(at, attributes.modifiedAt, attributes.modifiedAt);
  }

  /** A second name for a file of this same layer. */
  async addHardLink(entry: string, targetName: string): Promise<void> {
    const target = parseEntryPath(targetName);
    const stats = await this.stat(target);
    if (!stats || stats.isDirectory())
      throw refused(entry, `a hard link to ${shown(targetName)}, which is no file of its layer`);
    await this.#make(entry, () => link(this.#at(target), this.#at(entry)));
  }

  /** Hides what lower layers have there, in overlayfs' own way: a character device 0:0. */
  async addWhiteout(entry: string): Promise<void> {
    const device = this.#whiteoutDevice;
    if (device === undefined) {
      // Node has no mknod. Linux lets anybody make this one device (since 5.8); further ones are links to the first.
      await this.#make(entry, () => runCommand(['mknod', this.#at(entry), 'c', '0', '0']));
      this.#whiteoutDevice = this.#at(entry);
      return;
    }
    await this.#make(entry, async () => {
      try {
        await link(device, this.#at(entry));
      } catch (error) {
        if (!hasCode(error, 'EMLINK')) throw error;
        await runCommand(['mknod', this.#at(entry), 'c', '0', '0']);
        this.#whiteoutDevice = this.#at(entry);
      }
    });
  }

  /** Sets the folders' attributes, deepest first. Nothing may be added afterwards. */
  async finish(): Promise<void> {
    for (const [entry, attributes] of [...this.#folders].toReversed()) {
      const at = this.#at(entry);
      if (this.#owners === 'image') await lchown(at, attributes.uid, attributes.gid);
      await chmod(at, this.#modeOf(attributes) | (this.#owners === 'current' ? 0o700 : 0));
      await utimes(at, attributes.modifiedAt, attributes.modifiedAt);
    }
  }

  /** Runs `make` with the parents there; what was at the path before gives way, as later tar entries win. */
  async #make<T>(entry: string, make: () => Promise<T>): Promise<T> {
    if (entry === '') throw refused(entry, 'the root can only be a folder');
    await this.#ensureParents(parentOf(entry));
    try {
      return await make();
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw error;
      await this.#remove(entry);
      return await make();
    }
  }

  async #ensureParents(folder: string): Promise<void> {
    if (this.#folders.has(folder)) return;
    await this.#ensureParents(parentOf(folder));
    await this.#onImpliedFolder();
    try {
      await mkdir(this.#at(folder), { mode: 0o700 });
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw error;
      throw refused(folder, 'entries lie below it, and it is no folder');
    }
    this.#folders.set(folder, await this.#attributesBelow(folder));
  }

  /** Gone only if it is no folder: no honest archive replaces its own folder, and hostile ones would do so a lot. */
  async #remove(entry: string): Promise<void> {
    if (this.#folders.has(entry)) throw refused(entry, 'it replaces a folder of its own layer');
    await unlink(this.#at(entry));
  }

  /** A folder that the layer does not describe must look as it does below, or overlayfs would change it. */
  async #attributesBelow(folder: string): Promise<Attributes> {
    const below = await this.#lowers.stat(folder);
    if (!below?.isDirectory()) return { mode: 0o755, uid: 0, gid: 0, modifiedAt: new Date(0) };
    return { mode: below.mode, uid: below.uid, gid: below.gid, modifiedAt: below.mtime };
  }

  async #setOnFile(handle: FileHandle, attributes: Attributes): Promise<void> {
    // The owner first: changing it drops set-uid marks.
    if (this.#owners === 'image') await handle.chown(attributes.uid, attributes.gid);
    await handle.chmod(this.#modeOf(attributes));
    await handle.utimes(attributes.modifiedAt, attributes.modifiedAt);
  }

  #modeOf({ mode }: Attributes): number {
    return mode & (this.#owners === 'image' ? 0o7777 : 0o777);
  }

  #at(entry: string): string {
    return path.join(this.#root, entry);
  }
}

function refused(entry: string, why: string): ImageError {
  return new ImageError('Invalid', `layer entry ${shown(entry)}: ${why}`);
}
