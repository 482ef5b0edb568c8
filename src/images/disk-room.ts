import { statfs } from 'node:fs/promises';
import { ImageError } from './image.ts';

/** What images leave of a disk to everybody else, of its bytes and of its inodes. */
const RESERVE_SHARE = 0.05;
const RESERVE_BYTES_MAX = 1024 ** 3;
/** So much is written between two looks. */
const LOOK_BYTES = 16 * 1024 ** 2;

/** Throws ImageError `Unavailable` where the disk of `folder` has no room for `bytes` more besides what is to stay free. */
export async function requireRoom(folder: string, bytes: number): Promise<void> {
  const { bavail, blocks, bsize, files, ffree } = await statfs(folder);
  const [free, total] = [bavail * bsize, blocks * bsize];
  const reserve = Math.min(total * RESERVE_SHARE, RESERVE_BYTES_MAX);
  if (free - reserve < bytes)
    throw full(`${megabytes(bytes)} are needed, ${megabytes(free)} are free`, reserve);
  if (files > 0 && ffree < files * RESERVE_SHARE)
    throw full(`${ffree} of its ${files} inodes are free`, reserve);
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
    await requireRoom(this.#folder, bytes);
    this.#untilLook = LOOK_BYTES;
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
