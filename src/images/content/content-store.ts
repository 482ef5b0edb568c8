import { createHash, type Hash } from 'node:crypto';
import { constants } from 'node:fs';
import {
  type FileHandle,
  lstat,
  mkdir,
  open,
  readdir,
  rename,
  unlink,
  utimes,
} from 'node:fs/promises';
import path from 'node:path';
import type { Clock } from '#base/clock.ts';
import type { Random } from '#base/random.ts';
import { type Digest, hexOf, isDigest } from '../digest.ts';
import { RoomKeeper } from './disk-room.ts';
import { ImageError } from '../image.ts';
import { InTurn } from '../in-turn.ts';
import { unlessMissing } from '../missing-file.ts';
import { RefStore } from './ref-store.ts';

/** No single blob of an image is larger than this; a stranger's upload must not fill the disk alone. */
export const BLOB_BYTES_MAX = 16 * 1024 ** 3;

export interface ContentStoreOptions {
  /** The platform's state folder; everything of images is below its `images/`. */
  readonly home: string;
  readonly clock: Clock;
  readonly random: Random;
}

export interface StoredBlob {
  readonly digest: Digest;
  readonly size: number;
}

interface FoundBlob extends StoredBlob {
  /** When it was last written or touched. */
  readonly touchedAt: Date;
}

export interface IngestOptions {
  /** The content must have this digest; else nothing is kept and ImageError `Invalid` is thrown. */
  readonly digest?: Digest;
  /** At most this many bytes are taken; BLOB_BYTES_MAX unless told. */
  readonly bytesMax?: number;
}

/**
 * Content by digest on this machine: the registry's and the agent's one image store. A blob is there whole or not at
 * all; several processes may write at once. Blobs belong to no repository: who knows a digest may read it.
 */
export class ContentStore {
  readonly home: string;
  /** What was pushed to the built-in registry, under bare repository names: `hello`. */
  readonly pushed: RefStore;
  /** What was pulled or imported, under names with their host: `docker.io/library/nginx`. */
  readonly pulled: RefStore;
  readonly #blobs: string;
  readonly #ingest: string;
  readonly #clock: Clock;
  readonly #random: Random;
  /** Who says that a blob is wanted and who deletes it must not cross. */
  readonly #turns = new InTurn();

  private constructor({ home, clock, random }: ContentStoreOptions) {
    this.home = path.join(home, 'images');
    this.#blobs = path.join(this.home, 'blobs', 'sha256');
    this.#ingest = path.join(this.home, 'ingest');
    this.#clock = clock;
    this.#random = random;
    this.pushed = new RefStore(path.join(this.home, 'pushed'));
    this.pulled = new RefStore(path.join(this.home, 'pulled'));
  }

  static async open(options: ContentStoreOptions): Promise<ContentStore> {
    const store = new ContentStore(options);
    await mkdir(store.#blobs, { recursive: true, mode: 0o700 });
    await mkdir(store.#ingest, { recursive: true, mode: 0o700 });
    return store;
  }

  /** Where the content is, or will be. The file is never written to again. */
  blobPath(digest: Digest): string {
    return path.join(this.#blobs, hexOf(digest));
  }

  /** A path beside the blobs, on the same file system, for whoever writes something to be renamed into place. */
  temporaryPath(): string {
    return path.join(this.#ingest, this.#random.uuid());
  }

  async stat(digest: Digest): Promise<FoundBlob | undefined> {
    const found = await unlessMissing(lstat(this.blobPath(digest)));
    return found && { digest, size: found.size, touchedAt: found.mtime };
  }

  /** Says that somebody is about to refer to the blob, so that collection leaves it its grace. */
  async touch(digest: Digest): Promise<FoundBlob | undefined> {
    return await this.#turns.run(digest, async () => {
      const now = this.#clock.now();
      const file = this.blobPath(digest);
      const touched = await unlessMissing(utimes(file, now, now).then(() => true));
      return touched ? this.stat(digest) : undefined;
    });
  }

  /** The whole content, for what is small; undefined when it is not here. Throws ImageError when it is larger. */
  async read(digest: Digest, bytesMax: number): Promise<Uint8Array | undefined> {
    const handle = await unlessMissing(open(this.blobPath(digest), 'r'));
    if (!handle) return undefined;
    try {
      const { size } = await handle.stat();
      if (size > bytesMax)
        throw new ImageError(
          'Invalid',
          `blob ${digest}: ${size} bytes, wanted at most ${bytesMax}`,
        );
      return await handle.readFile();
    } finally {
      await handle.close();
    }
  }

  /** An open blob, for streaming; the caller closes it. */
  async open(digest: Digest): Promise<FileHandle | undefined> {
    return unlessMissing(open(this.blobPath(digest), constants.O_RDONLY));
  }

  /** Takes content in, verified while it streams; on disk when this returns. */
  async ingest(
    source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    options: IngestOptions = {},
  ): Promise<StoredBlob> {
    const upload = await this.beginUpload(options.bytesMax);
    try {
      for await (const chunk of source) await upload.write(chunk);
      return await upload.commit(options.digest);
    } catch (error) {
      await upload.abort();
      throw error;
    }
  }

  /** Content that arrives in pieces over time. Dispose of it by `commit` or `abort`. */
  async beginUpload(bytesMax = BLOB_BYTES_MAX): Promise<Upload> {
    const file = this.temporaryPath();
    const handle = await open(file, 'wx', 0o600);
    const place = (digest: Digest): Promise<void> =>
      this.#turns.run(digest, () => this.#place(file, digest));
    return new Upload({ file, handle, bytesMax, place, room: new RoomKeeper(this.#ingest) });
  }

  async deleteBlob(digest: Digest): Promise<void> {
    await unlessMissing(unlink(this.blobPath(digest)));
  }

  /** Deletes a blob unless it was written or touched since. Returns the bytes freed. */
  async deleteUntouched(digest: Digest, before: Date): Promise<number> {
    return await this.#turns.run(digest, async () => {
      const found = await this.stat(digest);
      if (!found || found.touchedAt >= before) return 0;
      await this.deleteBlob(digest);
      return found.size;
    });
  }

  /** Digests of every blob that is here. */
  async blobs(): Promise<readonly Digest[]> {
    const names = await readdir(this.#blobs);
    return names.map((name) => `sha256:${name}`).filter(isDigest);
  }

  /** What uploads of this or an ended process have left unfinished. */
  async *unfinished(): AsyncGenerator<{ readonly file: string; readonly touchedAt: Date }> {
    for (const name of await readdir(this.#ingest)) {
      const file = path.join(this.#ingest, name);
      const found = await unlessMissing(lstat(file));
      if (found) yield { file, touchedAt: found.mtime };
    }
  }

  async #place(file: string, digest: Digest): Promise<void> {
    // An upload may have stood still for long before its last word.
    const now = this.#clock.now();
    await utimes(file, now, now);
    await rename(file, this.blobPath(digest));
    const folder = await open(this.#blobs, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }
}

interface UploadParts {
  readonly file: string;
  readonly handle: FileHandle;
  readonly bytesMax: number;
  readonly place: (digest: Digest) => Promise<void>;
  readonly room: RoomKeeper;
}

/** One blob on its way in. Its calls must not overlap. */
export class Upload {
  readonly #parts: UploadParts;
  readonly #hash: Hash = createHash('sha256');
  #size = 0;
  #isOpen = true;

  constructor(parts: UploadParts) {
    this.#parts = parts;
  }

  /** Bytes taken so far. */
  get size(): number {
    return this.#size;
  }

  /** Throws ImageError: `Invalid` beyond the limit, `Unavailable` where the disk has no room. */
  async write(chunk: Uint8Array): Promise<void> {
    const { handle, bytesMax, room } = this.#parts;
    if (this.#size + chunk.length > bytesMax)
      throw new ImageError('Invalid', `blob: more than the ${bytesMax} bytes it may have`);
    await room.take(chunk.length);
    await handle.writeFile(chunk);
    this.#hash.update(chunk);
    this.#size += chunk.length;
  }

  /** Throws ImageError `Invalid` when the content is not what `wanted` says; the upload is then still open. */
  async commit(wanted?: Digest): Promise<StoredBlob> {
    const digest: Digest = `sha256:${this.#hash.copy().digest('hex')}`;
    if (wanted && wanted !== digest)
      throw new ImageError('Invalid', `blob: its digest is ${digest}, wanted ${wanted}`);
    await this.#parts.handle.sync();
    await this.#close();
    await this.#parts.place(digest);
    return { digest, size: this.#size };
  }

  /** Leaves nothing behind. Harmless after `commit`. */
  async abort(): Promise<void> {
    await this.#close();
    await unlessMissing(unlink(this.#parts.file));
  }

  async #close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#parts.handle.close();
  }
}
