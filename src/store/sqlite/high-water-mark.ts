import { hash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import type { Revision } from '#store/store.ts';
import { GENESIS } from '#store/sqlite/log-record.ts';

/** The last acknowledged write: its revision and its checksum in the chain. */
export interface Mark {
  readonly revision: Revision;
  readonly checksum: string;
}

export const EMPTY_MARK: Mark = { revision: 0 as Revision, checksum: GENESIS };

/**
 * The mark's own small file beside the database, so that a log that lost its end cannot pass for whole. One line of fixed
 * length, overwritten in place: it stays inside the first sector, which disks write whole or not at all, so a crash leaves
 * the old mark or the new one.
 */
export class HighWaterMark implements Disposable {
  readonly #file: number;

  private constructor(file: number) {
    this.#file = file;
  }

  /** Opens the file, made where it is absent, and puts `mark` into it. Returns with it, and its name, on disk. */
  static open(file: string, mark: Mark): HighWaterMark {
    const opened = new HighWaterMark(openSync(file, existsSync(file) ? 'r+' : 'w', 0o600));
    opened.write(mark);
    // What stood there before may have been longer.
    ftruncateSync(opened.#file, render(mark).length);
    syncFolderOf(file);
    return opened;
  }

  /** Returns with the mark on disk. */
  write(mark: Mark): void {
    writeSync(this.#file, render(mark), 0);
    fdatasyncSync(this.#file);
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }
}

/** What the mark's file says; `altered` where it does not hold exactly one mark with a matching checksum. */
export function readMark(file: string): Mark | 'absent' | 'altered' {
  if (!existsSync(file)) return 'absent';
  const text = readFileSync(file, 'latin1');
  // As a process leaves it that died between making the file and its first mark: nothing was acknowledged yet.
  if (text === '') return 'absent';
  const [revision, checksum] = text.split(' ');
  const mark = { revision: Number(revision) as Revision, checksum: checksum ?? '' };
  return Number.isSafeInteger(mark.revision) && render(mark) === text ? mark : 'altered';
}

export function syncFolderOf(file: string): void {
  const folder = openSync(path.dirname(file), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function render({ revision, checksum }: Mark): string {
  const text = `${String(revision).padStart(16, '0')} ${checksum}`;
  return `${text} ${hash('sha256', text, 'base64url')}\n`;
}
