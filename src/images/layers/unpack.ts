import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';
import type { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { extract, type ExtractEvents } from 'tar-stream';
import type { Digest } from '../digest.ts';
import { RoomKeeper } from '../content/disk-room.ts';
import { parseEntryPath, parseWhiteout } from './entry-path.ts';
import { ImageError } from '../image.ts';
import { type Attributes, LayerTree, type Owners } from './layer-tree.ts';
import { LowerLayers } from './lower-layers.ts';
import { hasCode } from '../missing-file.ts';
import { shown } from '../shown.ts';

/** What unpacking one image may cost in all, so that no archive of a few kilobytes fills the disk. */
export class UnpackBudget {
  #bytes: number;
  #entries: number;

  constructor({ bytesMax = 16 * 1024 ** 3, entriesMax = 500_000 } = {}) {
    this.#bytes = bytesMax;
    this.#entries = entriesMax;
  }

  /** Throws ImageError `Invalid` when there are not that many left. */
  takeBytes(count: number): void {
    this.#bytes -= count;
    if (this.#bytes < 0) throw new ImageError('Invalid', 'image: it unpacks to too many bytes');
  }

  takeEntry(): void {
    this.#entries -= 1;
    if (this.#entries < 0) throw new ImageError('Invalid', 'image: it unpacks to too many files');
  }
}

export interface UnpackOptions {
  /** A tar archive: plain, gzip or zstd; its first bytes tell which. */
  readonly archive: string;
  /** The folder to make; must not exist. Left half done when unpacking fails: the caller removes it. */
  readonly target: string;
  /** The unpacked layers below this one, lowest first. */
  readonly lowers: readonly string[];
  readonly owners: Owners;
  readonly budget: UnpackBudget;
  readonly signal: AbortSignal;
}

/**
 * Unpacks one layer into a folder for overlayfs and returns the digest of the uncompressed archive. Whiteouts become
 * character devices 0:0; an opaque folder, which overlayfs marks by an attribute that Node cannot set, becomes one
 * whiteout for each name below it, so the outcome belongs to these `lowers`. Absolute and climbing paths, entries below
 * links, devices and FIFOs are refused. Throws ImageError.
 */
export async function unpackLayer(options: UnpackOptions): Promise<Digest> {
  const { archive, budget, signal } = options;
  const hash = createHash('sha256');
  const lowers = new LowerLayers(options.lowers);
  const room = new RoomKeeper(path.dirname(options.target));
  const spending = { budget, room };
  const tree = await LayerTree.create(options.target, {
    owners: options.owners,
    lowers,
    // A few bytes of a name can ask for two thousand of them.
    onImpliedFolder: () => takeEntry(spending),
  });
  const entries = extract();
  const decompressor = await decompressorOf(archive);
  const metered = async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of source) {
      budget.takeBytes(chunk.length);
      await room.take(chunk.length);
      hash.update(chunk);
      yield chunk;
    }
  };
  const feeding = decompressor
    ? pipeline(createReadStream(archive), decompressor, metered, entries, { signal })
    : pipeline(createReadStream(archive), metered, entries, { signal });
  const placing = { ...spending, tree, lowers };
  const outcomes = await Promise.allSettled([
    feeding,
    place(entries as AsyncIterable<Entry>, placing),
  ]);
  const reasons: unknown[] = outcomes
    .filter((outcome) => outcome.status === 'rejected')
    .map((outcome) => outcome.reason);
  signal.throwIfAborted();
  // Where one side fails the other breaks too; the one that knows why says so as an ImageError.
  if (reasons.length > 0)
    throw reasons.find((reason) => reason instanceof ImageError) ?? describe(reasons[0]);
  await tree.finish();
  return `sha256:${hash.digest('hex')}`;
}

/** What streamx' own types leave out: its readable streams iterate, here over what pipeline wrote. */
type Entry = ExtractEvents['entry'][1] & AsyncIterable<Buffer>;

interface Spending {
  readonly budget: UnpackBudget;
  readonly room: RoomKeeper;
}

interface Placing extends Spending {
  readonly tree: LayerTree;
  readonly lowers: LowerLayers;
}

async function takeEntry({ budget, room }: Spending): Promise<void> {
  budget.takeEntry();
  await room.takeInode();
}

async function place(entries: AsyncIterable<Entry>, placing: Placing): Promise<void> {
  const { tree } = placing;
  const hidden: string[] = [];
  const opaque: string[] = [];
  for await (const entry of entries) {
    await takeEntry(placing);
    const at = parseEntryPath(entry.header.name);
    const whiteout = parseWhiteout(at);
    if (whiteout?.kind === 'file') hidden.push(whiteout.path);
    else if (whiteout?.kind === 'opaque') opaque.push(whiteout.folder);
    else if (!whiteout) await placeEntry(tree, at, entry);
    entry.resume();
  }
  // Whiteouts speak of lower layers only, wherever they stand in the archive.
  for (const at of hidden) await hide(at, placing);
  for (const folder of opaque) await hideBelow(folder, placing);
}

async function placeEntry(tree: LayerTree, at: string, entry: Entry): Promise<void> {
  const { header } = entry;
  const attributes: Attributes = {
    mode: header.mode,
    uid: header.uid,
    gid: header.gid,
    // Nonsense in the archive is no date at all.
    modifiedAt: Number.isNaN(header.mtime.getTime()) ? new Date(0) : header.mtime,
  };
  switch (header.type) {
    case 'file':
    case 'contiguous-file':
      return tree.addFile(at, attributes, entry);
    case 'directory':
      return tree.addFolder(at, attributes);
    case 'symlink':
      return tree.addSymlink(at, attributes, header.linkname ?? '');
    case 'link':
      return tree.addHardLink(at, header.linkname ?? '');
    case 'character-device':
    case 'block-device':
    case 'fifo':
    default:
      throw new ImageError(
        'Invalid',
        `layer entry ${shown(header.name)}: found a ${header.type ?? 'special file'}, wanted a file, folder or link`,
      );
  }
}

async function hide(at: string, placing: Placing): Promise<void> {
  if (placing.tree.isFolder(at)) await hideBelow(at, placing);
  else if (!(await placing.tree.stat(at)) && (await placing.lowers.stat(at)))
    await placing.tree.addWhiteout(at);
}

/** Whiteouts for every name that lower layers show in the folder and this layer does not have itself. */
async function hideBelow(folder: string, placing: Placing): Promise<void> {
  for (const name of await placing.lowers.names(folder)) {
    await takeEntry(placing);
    await hide(folder === '' ? name : `${folder}/${name}`, placing);
  }
}

async function decompressorOf(archive: string): Promise<Transform | undefined> {
  const handle = await open(archive, 'r');
  try {
    const { buffer } = await handle.read(Buffer.alloc(4), 0, 4, 0);
    if (buffer.readUInt16BE(0) === 0x1f8b) return createGunzip();
    return buffer.readUInt32LE(0) === 0xfd2fb528 ? createZstdDecompress() : undefined;
  } finally {
    await handle.close();
  }
}

function describe(reason: unknown): ImageError {
  const message = reason instanceof Error ? reason.message : String(reason);
  if (hasCode(reason, 'ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'EIO', 'EROFS'))
    return new ImageError('Unavailable', `layer: cannot be unpacked: ${message}`, reason);
  return new ImageError('Invalid', `layer: it cannot be read: ${message}`, reason);
}
