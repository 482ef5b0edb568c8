import { statfs } from 'node:fs/promises';
import { ImageError } from '../image.ts';

/** What images leave of a disk to everybody else, of its bytes and of its inodes. */
const RESERVE_SHARE = 0.05;
const RESERVE_BYTES_MAX = 1024 ** 3;
/** Written between two looks: at most so much, less where there is little room, and never next to nothing. */
const LOOK_BYTES_MAX = 16 * 1024 ** 2;
const LOOK_BYTES_MIN = 256 * 1024;
/** What the smallest file takes of most disks. */
const INODE_BYTES = 4096;

/**
 * Throws ImageError `Unavailable` where the disk of `folder` has no room for `bytes` more besides what is to stay free.
 * Returns the room, in bytes; an inode counts as a small file.
 */
export async function requireRoom(folder: string, bytes: number): Promise<number> {
  const { bavail, blocks, bsize, files, ffree } = await statfs(folder);
  const [free, total] = [bavail * bsize, blocks * bsize];
  const reserve = Math.min(total * RESERVE_SHARE, RESERVE_BYTES_MAX);
  if (free - reserve < bytes)
    throw full(`${megabytes(bytes)} are needed, ${megabytes(free)} are free`, reserve);
  // Some file systems make inodes as they need them, and say 0.
  const inodes = files > 0 ? ffree - files * RESERVE_SHARE : Infinity;
  if (inodes < 0) throw full(`${ffree} of its ${files} inodes are free`, reserve);
  return Math.min(free - reserve, inodes * INODE_BYTES);
}

/** Looks after the room while something large is written. */
export class RoomKeeper {
  readonly #folder: string;
  #untilLook = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Before so many bytes are written. Throws ImageError `Unavailable`. */
  async take(bytes: number): Promise<void> {
    this.#untilLook -= bytes;
    if (this.#untilLook > 0) return;
    const room = await requireRoom(this.#folder, bytes);
    this.#untilLook = Math.min(LOOK_BYTES_MAX, Math.max(LOOK_BYTES_MIN, room / 4));
  }

  /** Before a file or a folder is made. */
  async takeInode(): Promise<void> {
    await this.take(INODE_BYTES);
  }
}

function full(found: string, reserve: number): ImageError {
  return new ImageError(
    'Unavailable',
    `the disk is too full for the image: ${found}, and ${megabytes(reserve)} stay free for others; knode image prune makes room`,
  );
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6)} MB`;
}
