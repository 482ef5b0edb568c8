import { watch } from 'node:fs';
import { link, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Clock } from '#base/clock.ts';
import { rotatedNumbers } from '#agent/logs/container-log.ts';

/** The kubelet's own: 10 MiB a file, 5 files with the one that is being written. */
const FILE_BYTES_MAX = 10 * 1024 * 1024;
const FILES_MAX = 5;
/** A log that grows is looked at this often, one that does not is not: conmon writes up to 200 MB a second. */
const LOOK_MS = 250;

interface Rotated {
  readonly file: string;
  /** Has the writer open the file anew; what it writes until then goes to the old one. */
  readonly reopen: () => Promise<void>;
}

/** Keeps a container's log within bounds until `signal` is aborted. Rejects where the disk does. */
export async function keepRotated(
  { clock, ...log }: Rotated & { readonly clock: Clock },
  signal: AbortSignal,
): Promise<void> {
  const stopped = Promise.withResolvers<void>();
  let looking: Promise<void> | undefined;
  let timer: Disposable | undefined;
  const look = async (): Promise<void> => {
    await rotateIfLarge(log).catch(stopped.reject);
    timer = undefined;
  };
  const watcher = watch(path.dirname(log.file), () => {
    timer ??= clock.after(LOOK_MS, () => {
      looking = look();
    });
  });
  watcher.on('error', stopped.reject);
  signal.addEventListener('abort', () => stopped.resolve(), { once: true });
  try {
    // An earlier process may have died in the middle of a rotation.
    await rotateIfLarge(log);
    if (!signal.aborted) await stopped.promise;
  } finally {
    watcher.close();
    timer?.[Symbol.dispose]();
    await looking;
  }
}

/**
 * Nothing is lost: the old file takes all lines until the new one is there. Where the writer began anew by itself, which is
 * how it bounds what nobody rotates, the file it left is still there by its second name. The oldest files go.
 */
export async function rotateIfLarge({ file, reopen }: Rotated): Promise<void> {
  const second = `${file}.current`;
  const [found, held] = await Promise.all(
    [file, second].map((name) => stat(name).catch(() => undefined)),
  );
  if (held && found && held.ino !== found.ino) await giveNumber(file, second);
  else if (found && found.size > FILE_BYTES_MAX) {
    await rm(second, { force: true });
    await giveNumber(file, file);
    await reopen();
  } else if (!found) await reopen();
  else if (held) return;
  // Its file may be there only after this; the next look is soon enough.
  await link(file, second).catch(() => undefined);
}

async function giveNumber(file: string, name: string): Promise<void> {
  const numbers = await rotatedNumbers(file);
  await rename(name, `${file}.${(numbers.at(-1) ?? 0) + 1}`);
  const tooMany = numbers.slice(0, Math.max(0, numbers.length + 2 - FILES_MAX));
  for (const number of tooMany) await rm(`${file}.${number}`, { force: true });
}
