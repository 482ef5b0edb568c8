import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Bytes of this process in memory, after what is garbage has been collected. */
export function settledMemory(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (options: object) => void;
  // The collection of a heap that is out of memory: it gives back the room that V8 keeps for the next burst as well.
  const flavor = 'last-resort';
  collect({ type: 'major', execution: 'sync', flavor });
  collect({ type: 'major', execution: 'sync', flavor });
  return process.memoryUsage.rss();
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1024 ** 2).toFixed(0)} MiB`;
}
