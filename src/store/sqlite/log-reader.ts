import { DatabaseSync } from 'node:sqlite';
import { BUSY_MS, schemaVersionOf } from '#store/sqlite/log-database.ts';
import { logRowOf, rangeItemOf, type LogRow, type Row } from '#store/sqlite/log-row.ts';

/** A second way to the same tables, that leaves the files as they are even when it is closed. */
export class LogReader implements Disposable {
  readonly #database: DatabaseSync;

  constructor(file: string) {
    // A read-only connection does not checkpoint when it closes, so a damaged WAL stays as evidence.
    this.#database = new DatabaseSync(file, {
      readOnly: true,
      timeout: BUSY_MS,
      readBigInts: true,
    });
  }

  schemaVersion(): number {
    return schemaVersionOf(this.#database);
  }

  /** Every item in the order of revisions; `onError` hears what could not be read, and the items on both sides follow. */
  *items(onError: (error: unknown) => void): Generator<LogRow> {
    const ranges = [...this.#read('removed', 'first', onError)].map(rangeItemOf);
    let next = 0;
    for (const row of this.#read('log', 'revision', onError)) {
      const item = logRowOf(row);
      for (let range = ranges[next]; range && range.first < item.first; range = ranges[next]) {
        yield range;
        next += 1;
      }
      yield item;
    }
    yield* ranges.slice(next);
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }

  /** Rows from the front up to what cannot be read, then from the back, so that one bad page costs little more. */
  *#read(table: string, id: string, onError: (error: unknown) => void): Generator<Row> {
    let last = -1n;
    try {
      for (const row of this.#database.prepare(`SELECT * FROM ${table} ORDER BY ${id}`).iterate()) {
        yield row;
        last = BigInt(row[id] as bigint);
      }
      return;
    } catch (error) {
      onError(error);
    }
    const behind: Row[] = [];
    try {
      const backward = this.#database.prepare(`SELECT * FROM ${table} ORDER BY ${id} DESC`);
      for (const row of backward.iterate()) {
        if (BigInt(row[id] as bigint) <= last) break;
        behind.push(row);
      }
    } catch (error) {
      onError(error);
    }
    yield* behind.toReversed();
  }
}
