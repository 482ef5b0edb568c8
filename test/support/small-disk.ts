import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { runCommand } from '#base/command.ts';

/** A tmpfs with a file in it that takes the room that is not to be there. Needs root. */
export class SmallDisk implements AsyncDisposable {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async mount(bytes: number, { inodes }: { inodes?: number } = {}): Promise<SmallDisk> {
    const folder = mkdtempSync(path.join(tmpdir(), 'knode-disk-'));
    const options = `size=${bytes}${inodes === undefined ? '' : `,nr_inodes=${inodes}`}`;
    await runCommand(['mount', '-t', 'tmpfs', '-o', options, 'knode-disk', folder]);
    return new SmallDisk(folder);
  }

  /** Leaves so many bytes free, or as many as there are. */
  leave(bytes: number): void {
    const ballast = path.join(this.folder, 'ballast');
    rmSync(ballast, { force: true });
    const { bavail, bsize } = statfsSync(this.folder);
    const taken = bavail * bsize - bytes;
    if (taken > 0) writeFileSync(ballast, Buffer.alloc(taken));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // What was killed there may hold it for a moment more.
    await runCommand(['umount', '--lazy', this.folder]);
    rmSync(this.folder, { recursive: true });
  }
}
