import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { pack } from 'tar-stream';
import type { ContentStore } from '../content/content-store.ts';
import type { Digest } from '../digest.ts';

/** One entry of a layer to be built. Everything belongs to root and was made at the epoch. */
export type LayerEntry =
  | { readonly kind: 'folder'; readonly path: string; readonly mode: number }
  | { readonly kind: 'symlink'; readonly path: string; readonly target: string }
  | { readonly kind: 'text'; readonly path: string; readonly mode: number; readonly text: string }
  | {
      readonly kind: 'file';
      readonly path: string;
      readonly mode: number;
      /** Where the content is on this machine; it must have `size` bytes and keep them. */
      readonly source: string;
      readonly size: number;
    };

export interface BuiltLayer {
  /** Of the archive, which is not compressed: the blob's digest and the layer's diff id are one. */
  readonly digest: Digest;
  readonly size: number;
}

/**
 * Writes a layer's archive into the store. The same entries give the same bytes, in whatever order they come; folders
 * that no entry names are added with mode 0755.
 */
export async function writeLayer(
  store: ContentStore,
  entries: readonly LayerEntry[],
): Promise<BuiltLayer> {
  const archive = pack();
  const ordered = withFolders(entries);
  // tar-stream's stream iterates over Buffers; its types leave that out.
  const ingesting = store.ingest(archive as typeof archive & AsyncIterable<Buffer>);
  const filling = fill(archive, ordered).catch((error: unknown) => {
    archive.destroy(error instanceof Error ? error : new Error(String(error)));
    throw error;
  });
  const [filled, ingested] = await Promise.allSettled([filling, ingesting]);
  // The archive breaks because it could not be filled; that is the reason to tell.
  if (filled.status === 'rejected') throw filled.reason;
  if (ingested.status === 'rejected') throw ingested.reason;
  return ingested.value;
}

async function fill(
  archive: ReturnType<typeof pack>,
  entries: readonly LayerEntry[],
): Promise<void> {
  for (const entry of entries) await add(archive, entry);
  archive.finalize();
}

async function add(archive: ReturnType<typeof pack>, entry: LayerEntry): Promise<void> {
  const header = { name: entry.path, uid: 0, gid: 0, mtime: new Date(0) };
  const { promise: added, resolve, reject } = Promise.withResolvers<void>();
  // Where the content's own stream fails first, that is what is thrown.
  added.catch(() => undefined);
  const done = (error?: Error | null): void => (error ? reject(error) : resolve());
  switch (entry.kind) {
    case 'folder': {
      const { path, mode } = entry;
      archive.entry({ ...header, name: `${path}/`, type: 'directory', mode }, done);
      break;
    }
    case 'symlink': {
      const { target: linkname } = entry;
      archive.entry({ ...header, type: 'symlink', linkname, mode: 0o777 }, done);
      break;
    }
    case 'text':
      archive.entry({ ...header, type: 'file', mode: entry.mode }, Buffer.from(entry.text), done);
      break;
    case 'file': {
      const { mode, size, source } = entry;
      if (size === 0) {
        archive.entry({ ...header, type: 'file', mode }, Buffer.alloc(0), done);
        break;
      }
      const sink = archive.entry({ ...header, type: 'file', mode, size }, done);
      // A file that grows meanwhile is cut off; one that shrinks is tar-stream's "Size mismatch".
      await pipeline(createReadStream(source, { end: size - 1 }), sink);
    }
  }
  await added;
}

function withFolders(entries: readonly LayerEntry[]): readonly LayerEntry[] {
  const byPath = new Map<string, LayerEntry>();
  for (const entry of entries) {
    for (let at = entry.path.lastIndexOf('/'); at > 0; at = entry.path.lastIndexOf('/', at - 1)) {
      const path = entry.path.slice(0, at);
      if (!byPath.has(path)) byPath.set(path, { kind: 'folder', path, mode: 0o755 });
    }
    byPath.set(entry.path, entry);
  }
  return [...byPath.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1));
}
