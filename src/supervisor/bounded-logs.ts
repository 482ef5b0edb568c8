import { copyFileSync, readdirSync, statSync, truncateSync } from 'node:fs';
import path from 'node:path';
import type { Clock } from '#base/clock.ts';

/** A log larger than this is put aside, over the one that was put aside before: each takes about twice that at most. */
const LOG_BYTES_MAX = 16 * 1024 * 1024;
const LOOK_MS = 60_000;

/**
 * Keeps the logs in `folder` small, at once and each minute, until disposed. Their writers hold them open for appending and
 * know nothing of it, so a log is copied and emptied; lines written between the two are lost.
 */
export function boundLogs(folder: string, clock: Clock, bytesMax = LOG_BYTES_MAX): Disposable {
  let timer: Disposable;
  const look = (): void => {
    for (const name of readdirSync(folder).filter((entry) => entry.endsWith('.log'))) {
      const file = path.join(folder, name);
      if (statSync(file).size <= bytesMax) continue;
      copyFileSync(file, `${file}.1`);
      truncateSync(file);
    }
    timer = clock.after(LOOK_MS, look);
  };
  look();
  return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
}
