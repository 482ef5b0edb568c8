import { unlink } from 'node:fs/promises';
import type { Clock } from '#base/clock.ts';
import type { ContentStore } from '../content/content-store.ts';
import { unlessMissing } from '../missing-file.ts';

/** Base layers are worth keeping from one day's work to the next; longer than any build takes, so that none is harmed. */
const KEPT_MS = 24 * 60 * 60_000;

/**
 * Deletes what no build of the last day wrote or used, in a store that holds nothing but builds: what was pushed is the
 * registry's. Returns the bytes freed.
 */
export async function sweepBuilds(store: ContentStore, clock: Clock): Promise<number> {
  const before = new Date(clock.now().getTime() - KEPT_MS);
  let freed = 0;
  for (const digest of await store.blobs()) freed += await store.deleteUntouched(digest, before);
  for await (const { file, touchedAt } of store.unfinished())
    if (touchedAt < before) await unlessMissing(unlink(file));
  return freed;
}
