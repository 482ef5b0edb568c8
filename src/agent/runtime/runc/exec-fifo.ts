import { constants } from 'node:fs';
import { open, unlink } from 'node:fs/promises';
import path from 'node:path';
import { RuntimeError } from '#agent/runtime/runtime.ts';

export interface ExecFifo {
  /** runc's own folder of the container. */
  readonly folder: string;
  /** Resolves when the container has ended, or `signal` is aborted. */
  readonly ended: (signal: AbortSignal) => Promise<void>;
}

/**
 * What `runc start` does, without the 10 ms of starting runc: the container's init waits to open its exec fifo for
 * writing; a reader lets it go on, and it writes one byte. Until the fifo is unlinked runc says `created`.
 */
export async function openExecFifo({ folder, ended }: ExecFifo): Promise<void> {
  const fifo = path.join(folder, 'exec.fifo');
  const stop = new AbortController();
  // Without a writer the open below would wait for ever, in a thread of the pool.
  const release = ended(stop.signal).then(() => releaseReader(fifo));
  try {
    const handle = await open(fifo, 'r');
    try {
      const { bytesRead } = await handle.read(Buffer.alloc(1), 0, 1);
      if (bytesRead === 0) throw new RuntimeError('the container ended before it was started');
    } finally {
      await handle.close();
    }
    await unlink(fifo);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new RuntimeError(
      'the container cannot be started: it has been started or removed already',
    );
  } finally {
    stop.abort();
    await release;
  }
}

/** A writer that comes and goes: a reader that waits to open gets an empty file. */
async function releaseReader(fifo: string): Promise<void> {
  try {
    const handle = await open(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
    await handle.close();
  } catch (error) {
    // ENXIO: nobody reads; ENOENT: started or removed meanwhile.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENXIO' && code !== 'ENOENT') throw error;
  }
}
