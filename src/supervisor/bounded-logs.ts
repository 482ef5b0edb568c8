import { copyFileSync, readdirSync, statSync, truncateSync } from 'node:fs';
import path from 'node:path';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';

/** A log larger than this is put aside, over the one that was put aside before: each takes about twice that at most. */
const LOG_BYTES_MAX = 16 * 1024 * 1024;
const LOOK_MS = 60_000;

export interface BoundedLogsOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** LOG_BYTES_MAX unless told. */
  readonly bytesMax?: number;
}

/**
 * Keeps the logs in `folder` small, at once and each minute, until disposed. Their writers hold them open for appending and
 * know nothing of it, so a log is copied and emptied; lines written between the two are lost. One that cannot be copied, as on
 * a full disk, is emptied all the same.
 */
export function boundLogs(
  folder: string,
  { clock, log, bytesMax = LOG_BYTES_MAX }: BoundedLogsOptions,
): Disposable {
  let timer: Disposable;
  const look = (): void => {
    try {
      for (const name of readdirSync(folder).filter((entry) => entry.endsWith('.log'))) {
        const file = path.join(folder, name);
        if (statSync(file).size > bytesMax) putAside(file, log);
      }
    } catch (error) {
      log.warn('the logs could not be kept small, will try again', { folder, error });
    }
    timer = clock.after(LOOK_MS, look);
  };
  look();
  return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
}

function putAside(file: string, log: Log): void {
  try {
    copyFileSync(file, `${file}.1`);
  } catch (error) {
    log.warn('a log was emptied that could not be put aside', { file, error });
  }
  truncateSync(file);
}
