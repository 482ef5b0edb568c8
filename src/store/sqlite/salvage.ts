import { existsSync, linkSync, renameSync, rmSync } from 'node:fs';
import { hash } from 'node:crypto';
import { HighWaterMark, readMark, syncFolderOf, type Mark } from '#store/sqlite/high-water-mark.ts';
import { LogDatabase } from '#store/sqlite/log-database.ts';
import { LogReader } from '#store/sqlite/log-reader.ts';
import { GENESIS, type LogRecord } from '#store/sqlite/log-record.ts';
import type { Revision } from '#store/store.ts';
import type { LogFiles } from '#store/sqlite/log-files.ts';

/** Where nobody knows how many revisions were acknowledged, this many are skipped rather than used a second time. */
const UNKNOWN_TAIL = 1_000_000;

/**
 * Puts a new log in the place of a damaged one: the last sound value of each key, under its own revision, and one removed
 * range for whatever lies between. It ends with such a range, so that every watch has to begin anew. The damaged files
 * stay beside it as `log.db.damaged-N`.
 */
export function salvage(files: LogFiles, options: { mark: Mark; bytesMax: number }): void {
  const known = readMark(files.mark);
  const records = existsSync(files.database) ? currentRecords(files.database) : [];
  const last = Math.max(options.mark.revision, records.at(-1)?.revision ?? 0);
  const head = last + (typeof known === 'string' ? UNKNOWN_TAIL : 1);
  const fresh = `${files.database}.new`;
  for (const suffix of ['', '-wal']) rmSync(`${fresh}${suffix}`, { force: true });
  const end = writeLog(fresh, { records, head, bytesMax: options.bytesMax });
  setAside(files.database);
  // The old WAL must be gone before the new file has the old one's name, or SQLite would read it into the new file.
  rmSync(`${files.database}-wal`, { force: true });
  renameSync(fresh, files.database);
  HighWaterMark.open(files.mark, end)[Symbol.dispose]();
  syncFolderOf(files.database);
}

/** The last sound write of each key that is not a delete, in the order of revisions. */
function currentRecords(database: string): LogRecord[] {
  const sound = new Map<number, LogRecord>();
  try {
    using reader = new LogReader(database);
    // What cannot be read was reported when the log was proven; here only what can counts.
    for (const { record } of reader.items(() => undefined)) {
      if (record) sound.set(record.revision, record);
    }
  } catch (error) {
    if (!(error instanceof Error && 'errcode' in error)) throw error;
  } finally {
    rmSync(`${database}-shm`, { force: true });
  }
  const current = new Map<string, LogRecord>();
  for (const record of [...sound.values()].toSorted((a, b) => a.revision - b.revision)) {
    current.delete(record.key);
    if (record.value !== null) current.set(record.key, record);
  }
  return [...current.values()];
}

function writeLog(
  file: string,
  options: { records: readonly LogRecord[]; head: number; bytesMax: number },
): Mark {
  using database = new LogDatabase(file, options.bytesMax);
  let end: Mark = { revision: 0 as Revision, checksum: GENESIS };
  const skipTo = (last: number): void => {
    if (last <= end.revision) return;
    const first = end.revision + 1;
    const after = hash('sha256', `${end.checksum} lost ${first} ${last}`, 'base64url');
    database.addRange({ first, last, previous: end.checksum, after });
    end = { revision: last as Revision, checksum: after };
  };
  for (const record of options.records) {
    skipTo(record.revision - 1);
    end = database.append([record], end);
  }
  skipTo(options.head);
  return end;
}

/** Gives the damaged files a second name, under which they stay. */
function setAside(database: string): void {
  let number = 1;
  while (existsSync(`${database}.damaged-${number}`)) number += 1;
  for (const suffix of ['', '-wal']) {
    const from = `${database}${suffix}`;
    if (existsSync(from)) linkSync(from, `${database}.damaged-${number}${suffix}`);
  }
}
