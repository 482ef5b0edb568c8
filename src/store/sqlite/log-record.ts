import { hash } from 'node:crypto';
import type { Change, Entry, Revision } from '#store/store.ts';

/** One write as the log keeps it and as it crosses threads. */
export interface LogRecord {
  readonly revision: Revision;
  readonly key: string;
  /** Null for a delete. */
  readonly value: string | null;
  /** The write that created the key; for a delete, the one that had. */
  readonly created: Revision;
  /** The write of the same key that this one supersedes; 0 where it creates the key. Compaction follows these. */
  readonly prior: Revision | 0;
}

/** What the chain holds before the first write. */
export const GENESIS = 'A'.repeat(43);

/** SHA-256, because a chain that is computed once a write should not be what lets two different logs look the same. */
export function checksumOf(record: LogRecord, previous: string): string {
  const { revision, key, value, created, prior } = record;
  const kind = value === null ? 'delete' : 'put';
  // The key's length makes it plain where the key ends and the value begins.
  const head = `${previous} ${kind} ${revision} ${created} ${prior} ${key.length} ${key}`;
  return hash('sha256', `${head}${value ?? ''}`, 'base64url');
}

export function recordOf(change: Change): LogRecord {
  if (change.type === 'put') {
    const { key, value, created, modified } = change.entry;
    return { revision: modified, key, value, created, prior: change.previous?.modified ?? 0 };
  }
  const { key, created, modified } = change.entry;
  return { revision: change.at, key, value: null, created, prior: modified };
}

/** Undoes recordOf, where the record's key held `current` before it. */
export function changeOfRecord(record: LogRecord, current: Entry | undefined): Change {
  const entry = entryOf(record);
  if (entry) return { type: 'put', entry, ...(current && { previous: current }) };
  if (!current) throw new Error(`Cannot replay revision ${record.revision}: its key is absent`);
  return { type: 'delete', entry: current, at: record.revision };
}

export function entryOf(record: LogRecord): Entry | undefined {
  const { key, value, created, revision } = record;
  return value === null ? undefined : { key, value, created, modified: revision };
}
