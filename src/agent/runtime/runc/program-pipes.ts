import { closeSync, constants, openSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import { runCommand } from '#base/command.ts';

/** `in`: what we write, the program reads; `out`: the other way round. */
export type Direction = 'in' | 'out';

export interface ProgramPipe {
  /** Writable for `in`, readable for `out`. */
  readonly ours: Socket;
  /** A file descriptor: close it once the program has it. */
  readonly theirs: number;
}

/**
 * Pipes, because Node itself gives programs pairs of sockets, and those cannot be opened again as /dev/stdout. `prefix` is
 * the beginning of file names that nobody else uses; the files are gone when this is done.
 */
export async function openPipes(
  prefix: string,
  directions: readonly (Direction | undefined)[],
): Promise<readonly (ProgramPipe | undefined)[]> {
  const files = directions.flatMap((direction, at) => (direction ? [`${prefix}.${at}`] : []));
  if (files.length === 0) return [];
  try {
    await runCommand(['mkfifo', '-m', '600', ...files]);
    return directions.map((direction, at) => direction && openPipe(`${prefix}.${at}`, direction));
  } finally {
    await Promise.all(files.map((file) => rm(file, { force: true })));
  }
}

/** fifo(7): a reader that does not block opens at once; with it there, a writer does, and then any reader. */
function openPipe(file: string, direction: Direction): ProgramPipe {
  const reader = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  if (direction === 'out') {
    const ours = new Socket({ fd: reader, readable: true, writable: false });
    return { ours, theirs: openSync(file, constants.O_WRONLY) };
  }
  const writer = openSync(file, constants.O_WRONLY | constants.O_NONBLOCK);
  const ours = new Socket({ fd: writer, readable: false, writable: true });
  // Not the first reader, which does not block: programs do not expect that of their input.
  const theirs = openSync(file, constants.O_RDONLY);
  closeSync(reader);
  return { ours, theirs };
}
