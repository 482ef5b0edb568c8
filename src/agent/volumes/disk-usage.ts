import { lstat, opendir } from 'node:fs/promises';
import path from 'node:path';

/** A tree with more entries than this is measured no further: whoever made it is beyond any limit in time, too. */
const ENTRIES_MAX = 1_000_000;
const BLOCK_BYTES = 512;

/** Bytes on disk of all below the folders, counted until they are more than `bytesMax`. What goes meanwhile counts nothing. */
export async function diskUsage(folders: readonly string[], bytesMax: number): Promise<number> {
  const waiting = [...folders];
  const linked = new Set<number>();
  let bytes = 0;
  let entries = 0;
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    const opened = await opendir(folder).catch(() => undefined);
    if (!opened) continue;
    for await (const entry of opened) {
      const file = path.join(folder, entry.name);
      const is = await lstat(file).catch(() => undefined);
      entries += 1;
      if (!is || linked.has(is.ino)) continue;
      if (is.nlink > 1 && !is.isDirectory()) linked.add(is.ino);
      bytes += is.blocks * BLOCK_BYTES;
      if (is.isDirectory()) waiting.push(file);
      if (bytes > bytesMax || entries > ENTRIES_MAX) return bytes;
    }
  }
  return bytes;
}
