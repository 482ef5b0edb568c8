import type { LogOptions } from '#store/sqlite/log.ts';
import type { LogRecord } from '#store/sqlite/log-record.ts';
import type { Damage, Refusal } from '#store/sqlite/refusal.ts';

/** What the log's thread is started with. */
export interface LogThreadStart extends LogOptions {
  /** Only records after this revision are sent back. */
  readonly after: number;
}

export type LogRequest =
  | { readonly type: 'append'; readonly records: readonly LogRecord[] }
  /** One step of a compaction. */
  | { readonly type: 'compact'; readonly upTo: number }
  | { readonly type: 'close' };

/** Some `records`, then `opened`, or `refused`; from then on one `done` or `failed` for each request, in their order. */
export type LogReport =
  | { readonly type: 'records'; readonly records: readonly LogRecord[]; readonly compacted: number }
  | {
      readonly type: 'opened';
      readonly revision: number;
      readonly compacted: number;
      readonly damages: readonly Damage[];
    }
  | { readonly type: 'refused'; readonly refusal: Refusal }
  | { readonly type: 'done'; readonly compacted: number }
  | { readonly type: 'failed'; readonly reason: string };
