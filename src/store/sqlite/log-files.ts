import path from 'node:path';

export interface LogFiles {
  /** SQLite keeps its WAL beside it, as `log.db-wal`. */
  readonly database: string;
  readonly mark: string;
}

export function logFiles(folder: string): LogFiles {
  return { database: path.join(folder, 'log.db'), mark: path.join(folder, 'high-water-mark') };
}
