import { existsSync, mkdirSync, rmSync, statfsSync } from 'node:fs';
import { HighWaterMark, readMark, syncFolderOf, type Mark } from '#store/sqlite/high-water-mark.ts';
import { LogDatabase, SCHEMA_VERSION } from '#store/sqlite/log-database.ts';
import { logFiles } from '#store/sqlite/log-files.ts';
import { LogProof } from '#store/sqlite/log-proof.ts';
import { LogReader } from '#store/sqlite/log-reader.ts';
import type { LogRecord } from '#store/sqlite/log-record.ts';
import { Refused, type Damage } from '#store/sqlite/refusal.ts';
import { salvage } from '#store/sqlite/salvage.ts';

export interface LogOptions {
  readonly folder: string;
  readonly acceptLoss: boolean;
  /** Of the database file. */
  readonly bytesMax: number;
}

/** How many revisions one step of a compaction visits: it delays the writes behind it by some milliseconds. */
const COMPACTION_STEP = 1_000;
const SQLITE_BUSY = 5;
const SQLITE_IOERR = 10;
/** With less than this free, what failed may have been any of the files that a start needs. */
const FULL_BYTES = 1024 * 1024;
/** Result codes that tell of the machine and not of the file: busy, locked, no memory, I/O error, full, cannot open. */
const OF_THE_MACHINE: readonly (number | undefined)[] = [SQLITE_BUSY, 6, 7, 10, 13, 14];

/**
 * The log on disk: the database and its high-water mark, proven against each other when it is opened. Everything here
 * blocks, so it belongs on a thread of its own.
 */
export class Log implements Disposable {
  /** What was given up to open it; empty unless a loss was accepted. */
  readonly damages: readonly Damage[];
  readonly #database: LogDatabase;
  readonly #markFile: HighWaterMark;
  #end: Mark;
  #compacted: number;

  private constructor(options: LogOptions, end: Mark, damages: readonly Damage[]) {
    const files = logFiles(options.folder);
    using opened = new DisposableStack();
    this.damages = damages;
    this.#database = opened.use(new LogDatabase(files.database, options.bytesMax));
    // The log may be ahead of the mark by what was committed and never answered. It is kept, so it counts from now on.
    this.#markFile = opened.use(HighWaterMark.open(files.mark, end));
    this.#end = end;
    this.#compacted = this.#database.lastRemoved();
    opened.move();
  }

  /** Throws Refused, without a change to any file, where the log cannot be proven and no loss is accepted. */
  static open(options: LogOptions): Log {
    const made = mkdirSync(options.folder, { recursive: true, mode: 0o700 });
    if (made) syncFolderOf(options.folder);
    try {
      const found = prove(options.folder);
      const opened =
        found.damages.length === 0 ? Log.#openProven(options, found.mark) : found.damages;
      if (opened instanceof Log) return opened;
      if (!options.acceptLoss) throw new Refused({ type: 'damaged', damages: opened });
      salvage(logFiles(options.folder), { mark: found.mark, bytesMax: options.bytesMax });
      return new Log(options, prove(options.folder).mark, opened);
    } catch (error) {
      if (sqliteCode(error) === SQLITE_BUSY) throw new Refused({ type: 'inUse' });
      throw fullError(options.folder, error) ?? error;
    }
  }

  get end(): Mark {
    return this.#end;
  }

  /** No change up to this revision can be told from the log any more. */
  get compacted(): number {
    return this.#compacted;
  }

  recordsAfter(revision: number): Generator<LogRecord> {
    return this.#database.recordsAfter(revision);
  }

  /** Returns after the records, and that they may be acknowledged, are on disk. */
  append(records: readonly LogRecord[]): void {
    const end = this.#database.append(records, this.#end);
    // Only after the commit: a mark ahead of the log would be taken for a loss.
    this.#markFile.write(end);
    this.#end = end;
  }

  /** One step of the compaction up to `upTo`; returns how far it got. */
  compact(upTo: number): number {
    const last = Math.min(upTo, this.#compacted + COMPACTION_STEP, this.#end.revision);
    if (last <= this.#compacted) return this.#compacted;
    this.#database.compact(this.#compacted + 1, last);
    this.#compacted = last;
    return last;
  }

  /** A file can prove whole and still be one that SQLite does not write to, such as one whose header is altered. */
  static #openProven(options: LogOptions, end: Mark): Log | readonly Damage[] {
    try {
      return new Log(options, end, []);
    } catch (error) {
      return [{ text: unreadableText(error), keys: [] }];
    }
  }

  [Symbol.dispose](): void {
    this.#markFile[Symbol.dispose]();
    this.#database[Symbol.dispose]();
  }
}

/** Where the log ends, and whatever contradicts that it is whole. Leaves the files as they are. */
function prove(folder: string): { readonly mark: Mark; readonly damages: readonly Damage[] } {
  const files = logFiles(folder);
  const mark = readMark(files.mark);
  const proof = new LogProof(mark);
  if (!existsSync(files.database)) {
    const isExpected = typeof mark === 'string' ? mark === 'altered' : mark.revision > 0;
    if (isExpected) proof.note('the database log.db is missing');
    return proof.finish();
  }
  const onError = (error: unknown): void => proof.note(unreadableText(error));
  try {
    using reader = new LogReader(files.database);
    const version = reader.schemaVersion();
    if (version !== SCHEMA_VERSION && version !== 0) {
      throw new Refused({ type: 'schema', found: version, known: SCHEMA_VERSION });
    }
    // Version 0 is a file that was made and never written to; what the mark says tells whether that is all there was.
    if (version === SCHEMA_VERSION) for (const item of reader.items(onError)) proof.accept(item);
  } catch (error) {
    onError(error);
  } finally {
    // The read-only connection leaves its shared memory behind; the writing one keeps none.
    rmSync(`${files.database}-shm`, { force: true });
  }
  return proof.finish();
}

/** What SQLite says of a file that holds something else than it should; throws any other error. */
function unreadableText(error: unknown): string {
  if (!(error instanceof Error) || OF_THE_MACHINE.includes(sqliteCode(error) ?? SQLITE_BUSY)) {
    throw error;
  }
  return `the database cannot be used as it is: ${error.message}`;
}

/** SQLite tells of a full disk as of any other failure of it, where it is not a page that finds no room. */
function fullError(folder: string, error: unknown): Error | undefined {
  if (sqliteCode(error) !== SQLITE_IOERR) return undefined;
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize > FULL_BYTES) return undefined;
  return new Error(`the disk is full: ${bavail * bsize} bytes are free`, { cause: error });
}

/** SQLite's primary result code, where the error is SQLite's. */
function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error)) return undefined;
  return Number(error.errcode) & 0xff;
}
