import { lstat, readdir, readlink } from 'node:fs/promises';
import path from 'node:path';
import { ImageError } from '../image.ts';
import { hasCode, unlessMissing } from '../missing-file.ts';
import type { LayerEntry } from './layer-archive.ts';

export interface CollectOptions {
  /** The folder; links may not lead out of it. */
  readonly root: string;
  /** Where to begin, below the root; the root itself unless told. */
  readonly below?: string;
  /** Where the root lies in the image, without a slash in front. */
  readonly at: string;
  /** True for a path below the root that is not wanted; of a folder, with all below it. */
  readonly isLeftOut: (relative: string) => boolean;
}

const ENTRIES_MAX = 100_000;
/** Larger programs belong into an image of their own kind. */
const BYTES_MAX = 4 * 1024 ** 3;
/** What unpackers accept; see entry-path.ts. */
const PATH_CHARACTERS_MAX = 4096;

/**
 * The files, folders and links below a folder, as entries of a layer. Of a mode only "may be executed" is kept, and
 * nothing of owners and times, so that a clone is the same everywhere. Throws ImageError `Invalid` for what no layer
 * holds: sockets, devices, links that lead out, more than the limits.
 */
export async function collectFiles(options: CollectOptions): Promise<readonly LayerEntry[]> {
  const walk = { ...options, entries: [], bytes: 0 };
  await collect(walk, options.below ?? '');
  return walk.entries;
}

interface Walk extends CollectOptions {
  readonly entries: LayerEntry[];
  bytes: number;
}

async function collect(walk: Walk, below: string): Promise<void> {
  for (const name of await namesIn(walk, below)) {
    const relative = path.posix.join(below, name);
    if (walk.isLeftOut(relative)) continue;
    if (walk.entries.length >= ENTRIES_MAX)
      throw refused(walk, `more than ${ENTRIES_MAX} files and folders`);
    const entry = await entryOf(walk, relative);
    walk.entries.push(entry);
    if (entry.kind === 'folder') await collect(walk, relative);
  }
}

async function entryOf(walk: Walk, relative: string): Promise<LayerEntry> {
  const source = path.join(walk.root, relative);
  const at = path.posix.join(walk.at, relative);
  if (path.basename(relative).startsWith('.wh.'))
    throw refused(walk, `${relative} would take a file away in an image; give it another name`);
  if (at.length > PATH_CHARACTERS_MAX)
    throw refused(walk, `a path of ${at.length} characters, at most ${PATH_CHARACTERS_MAX}`);
  const found = await unlessMissing(lstat(source));
  if (!found) throw refused(walk, `${relative} went away, or its name is not UTF-8`);
  if (found.isDirectory()) return { kind: 'folder', path: at, mode: 0o755 };
  if (found.isSymbolicLink()) return await linkEntry(walk, relative);
  if (!found.isFile())
    throw refused(walk, `${relative} is a socket, pipe or device, wanted files, folders and links`);
  walk.bytes += found.size;
  if (walk.bytes > BYTES_MAX) throw refused(walk, `more than ${BYTES_MAX / 1024 ** 3} GiB`);
  const mode = (found.mode & 0o100) === 0 ? 0o644 : 0o755;
  return { kind: 'file', path: at, mode, source, size: found.size };
}

async function namesIn(walk: Walk, below: string): Promise<readonly string[]> {
  try {
    return await readdir(path.join(walk.root, below));
  } catch (error) {
    if (!hasCode(error, 'EACCES', 'ENOENT', 'ENAMETOOLONG')) throw error;
    throw new ImageError('Invalid', `source ${walk.root}: cannot list ${below || '.'}`, error);
  }
}

/** A link that leads out of the folder leads nowhere in the image. */
async function linkEntry(walk: Walk, relative: string): Promise<LayerEntry> {
  const target = await readlink(path.join(walk.root, relative));
  const lands = path.posix.normalize(path.posix.join(path.posix.dirname(relative), target));
  if (path.isAbsolute(target) || lands === '..' || lands.startsWith('../'))
    throw refused(walk, `link ${relative} leads out of the folder, to ${target}`);
  return { kind: 'symlink', path: path.posix.join(walk.at, relative), target };
}

function refused({ root }: Walk, why: string): ImageError {
  return new ImageError('Invalid', `source ${root}: ${why}`);
}
