import { closeSync, openSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { Mark } from '#store/sqlite/high-water-mark.ts';
import type { LogItem } from '#store/sqlite/log-proof.ts';
import { checksumOf, type LogRecord } from '#store/sqlite/log-record.ts';
import { logRowOf, rangeChecksum, rangeItemOf, type RemovedRange } from '#store/sqlite/log-row.ts';

/** Of the tables below. A released version never changes; each has a fixture that every later knode opens. */
export const SCHEMA_VERSION = 1;

/** `removed` holds what compaction took out, as ranges, so that the chain stays provable across them. */
const SCHEMA = `
  CREATE TABLE log (
    revision INTEGER PRIMARY KEY, key TEXT NOT NULL, value TEXT, created INTEGER NOT NULL, prior INTEGER NOT NULL,
    previous TEXT NOT NULL, checksum TEXT NOT NULL
  ) STRICT;
  CREATE TABLE removed (
    first INTEGER PRIMARY KEY, last INTEGER NOT NULL, previous TEXT NOT NULL, after TEXT NOT NULL, checksum TEXT NOT NULL
  ) STRICT;
  PRAGMA user_version = ${SCHEMA_VERSION};
`;
/** How long another process may take to let go of the file. */
export const BUSY_MS = 1_000;
const PAGE_BYTES = 4096;
/** A checkpoint each 16 MB of WAL: fewer of the pauses it makes, and still a short recovery. */
const CHECKPOINT_PAGES = 4_096;

/** The log's tables, for writing. One connection holds the file; others are told that it is in use. */
export class LogDatabase implements Disposable {
  readonly #database: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #linkOf: StatementSync;
  readonly #deleteRow: StatementSync;
  readonly #rangeBefore: StatementSync;
  readonly #deleteRange: StatementSync;
  readonly #insertRange: StatementSync;

  /** Makes the file where it is absent or empty. `bytesMax` bounds the database file; its WAL comes on top. */
  constructor(file: string, bytesMax: number) {
    using opened = new DisposableStack();
    // The log holds Secrets. SQLite would make the file readable for all; its WAL takes over the file's mode.
    closeSync(openSync(file, 'a', 0o600));
    this.#database = opened.use(new DatabaseSync(file, { timeout: BUSY_MS, defensive: true }));
    this.#database.exec(`
      PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
      PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}; PRAGMA cell_size_check = ON;
      PRAGMA max_page_count = ${Math.ceil(bytesMax / PAGE_BYTES)};
    `);
    if (schemaVersionOf(this.#database) === 0) this.#transact(() => this.#database.exec(SCHEMA));
    // What a failing disk left in doubt is in the WAL; this brings all of it to the disk, or throws.
    this.#database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    const prepare = (sql: string): StatementSync => this.#database.prepare(sql);
    this.#insert = prepare('INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?)');
    this.#linkOf = prepare('SELECT previous, checksum FROM log WHERE revision = ?');
    this.#deleteRow = prepare('DELETE FROM log WHERE revision = ?');
    this.#rangeBefore = prepare(
      'SELECT * FROM removed WHERE first <= ? ORDER BY first DESC LIMIT 1',
    );
    this.#deleteRange = prepare('DELETE FROM removed WHERE first = ?');
    this.#insertRange = prepare('INSERT INTO removed VALUES (?, ?, ?, ?, ?)');
    opened.move();
  }

  /** Every sound record after `revision`, in order. */
  *recordsAfter(revision: number): Generator<LogRecord> {
    const rows = this.#database.prepare('SELECT * FROM log WHERE revision > ? ORDER BY revision');
    rows.setReadBigInts(true);
    for (const row of rows.iterate(revision)) {
      const { record } = logRowOf(row);
      if (record) yield record;
    }
  }

  /** The last revision that compaction removed; 0 where there is none. */
  lastRemoved(): number {
    return Number(
      this.#database.prepare('SELECT max(last) AS last FROM removed').get()?.['last'] ?? 0,
    );
  }

  /** Adds the records in one transaction and returns, after it is on disk, where the log ends now. */
  append(records: readonly LogRecord[], end: Mark): Mark {
    return this.#transact(() =>
      records.reduce((mark, record) => this.#insertRecord(record, mark), end),
    );
  }

  /** Forgets what the writes from `first` to `last` superseded, in one transaction. */
  compact(first: number, last: number): void {
    const rows = this.#database
      .prepare(
        'SELECT revision, prior, value IS NULL AS isDelete FROM log WHERE revision BETWEEN ? AND ?',
      )
      .all(first, last);
    this.#transact(() => {
      for (const { revision, prior, isDelete } of rows) {
        if (prior !== 0) this.#remove(Number(prior));
        if (isDelete === 1) this.#remove(Number(revision));
      }
    });
  }

  /** Notes the range as removed. It must not touch a range that is there. */
  addRange(range: RemovedRange): void {
    const { first, last, previous, after } = range;
    this.#insertRange.run(first, last, previous, after, rangeChecksum(range));
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }

  #insertRecord(record: LogRecord, { checksum: previous }: Mark): Mark {
    const { revision, key, value, created, prior } = record;
    const checksum = checksumOf(record, previous);
    this.#insert.run(revision, key, value, created, prior, previous, checksum);
    return { revision, checksum };
  }

  /** Takes one write out, and makes one range of it and the ranges it touches. */
  #remove(revision: number): void {
    const link = this.#linkOf.get(revision);
    if (!link) return;
    let range: RemovedRange = {
      first: revision,
      last: revision,
      previous: String(link['previous']),
      after: String(link['checksum']),
    };
    this.#deleteRow.run(revision);
    const right = this.#rangeAt(revision + 1);
    if (right?.first === revision + 1) {
      this.#deleteRange.run(right.first);
      range = { ...range, last: right.last, after: right.after };
    }
    const left = this.#rangeAt(revision - 1);
    if (left?.last === revision - 1) {
      this.#deleteRange.run(left.first);
      range = { ...range, first: left.first, previous: left.previous };
    }
    this.addRange(range);
  }

  /** The last range that begins at or before `revision`. */
  #rangeAt(revision: number): LogItem | undefined {
    const row = this.#rangeBefore.get(revision);
    return row && rangeItemOf(row);
  }

  #transact<T>(run: () => T): T {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      const result = run();
      this.#database.exec('COMMIT');
      return result;
    } catch (error) {
      // SQLite has rolled back by itself after some errors; a second ROLLBACK would hide the first error.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }
}

export function schemaVersionOf(database: DatabaseSync): number {
  return Number(database.prepare('PRAGMA user_version').get()?.['user_version']);
}
