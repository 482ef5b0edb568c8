import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { PROGRAM_PATH } from '#agent/runtime/runc/conmon.ts';

/** What conmon's control fifo takes: a number for what is meant, and two more. */
const REOPEN_LOGS = 2;

/** conmon begins a new log file; at once where it has ended. `folder` is the container's own among its sockets. */
export async function reopenLogs(folder: string): Promise<void> {
  await control(folder, `${REOPEN_LOGS} 0 0\n`);
}

/**
 * Hands on input to a container that was created to take it, until it or `signal` ends. Its conmon then closes its stdin,
 * unless it was told to keep it open.
 */
export async function feed(folder: string, stdin: Readable, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  // The socket is of the kind SEQPACKET (5), which Node cannot open. What comes back from it is in the log, too.
  const address = `UNIX-CONNECT:${path.join(folder, 'attach')},type=5`;
  const child = spawn('socat', ['-', address], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    env: { PATH: PROGRAM_PATH },
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  child.once('error', reject);
  child.once('exit', () => resolve());
  child.stdin.on('error', () => undefined);
  stdin.pipe(child.stdin);
  const stop = (): void => void child.kill('SIGKILL');
  signal.addEventListener('abort', stop, { once: true });
  try {
    await promise;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

async function control(folder: string, line: string): Promise<void> {
  try {
    const handle = await open(path.join(folder, 'ctl'), constants.O_WRONLY | constants.O_NONBLOCK);
    try {
      await handle.write(line);
    } finally {
      await handle.close();
    }
  } catch (error) {
    // ENXIO: nobody reads any more; ENOENT: removed meanwhile.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENXIO' && code !== 'ENOENT') throw error;
  }
}
