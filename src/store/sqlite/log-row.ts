import { hash } from 'node:crypto';
import type { SQLOutputValue } from 'node:sqlite';
import type { LogItem } from '#store/sqlite/log-proof.ts';
import { checksumOf, type LogRecord } from '#store/sqlite/log-record.ts';

export type Row = Readonly<Record<string, SQLOutputValue>>;
export type RemovedRange = Pick<LogItem, 'first' | 'last' | 'previous' | 'after'>;

/** A row of the log as it was read: the item of the chain, and the record where it is sound. */
export interface LogRow extends LogItem {
  readonly record?: LogRecord;
}

/** Whatever the row holds: a damaged page may say anything. */
export function logRowOf(row: Row): LogRow {
  const { key, value, previous, checksum } = row;
  const [revision, created, prior] = [row['revision'], row['created'], row['prior']].map(Number);
  const record = { revision, key, value, created, prior } as LogRecord;
  const isTyped =
    typeof key === 'string' &&
    (typeof value === 'string' || value === null) &&
    Number.isSafeInteger(revision);
  const isSound = isTyped && checksumOf(record, String(previous)) === checksum;
  return {
    first: record.revision,
    last: record.revision,
    previous: String(previous),
    after: String(checksum),
    isSound,
    key: String(key),
    prior: record.prior,
    ...(isSound && { record }),
  };
}

export function rangeItemOf(row: Row): LogItem {
  const range = {
    first: Number(row['first']),
    last: Number(row['last']),
    previous: String(row['previous']),
    after: String(row['after']),
  };
  return { ...range, isSound: rangeChecksum(range) === row['checksum'] };
}

export function rangeChecksum({ first, last, previous, after }: RemovedRange): string {
  return hash('sha256', `${previous} removed ${first} ${last} ${after}`, 'base64url');
}
