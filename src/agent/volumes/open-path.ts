import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';

/** Names a file without opening it for anything (open(2)); Linux' number on every architecture that Node runs on. */
const O_PATH = 0o10000000;

/** Where the kernel shows what a handle stands for, whatever its name is by now; also for programs that we start. */
export function pathOf({ fd }: FileHandle): string {
  return `/proc/${process.pid}/fd/${fd}`;
}

/** The file or folder itself: a link is not followed, so nobody can put one there in between. The caller closes it. */
export function openPath(file: string): Promise<FileHandle> {
  return open(file, O_PATH | constants.O_NOFOLLOW);
}
