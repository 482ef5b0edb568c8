import { writeSync } from 'node:fs';

/**
 * Writes lines to a file descriptor. A line that cannot be written, because the disk is full or the reader is gone, is
 * dropped, and the next one that can says how many were: a log must not end what it tells of.
 */
export function lineSink(fd: number): (line: string) => void {
  let dropped = 0;
  return (line) => {
    const note = dropped === 0 ? '' : `{"level":"warn","message":"lines dropped: ${dropped}"}\n`;
    try {
      writeSync(fd, `${note}${line}`);
      dropped = 0;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error)) throw error;
      dropped += 1;
    }
  };
}
