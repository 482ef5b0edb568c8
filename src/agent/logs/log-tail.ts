import type { FileHandle } from 'node:fs/promises';
import {
  BEGINNING,
  endOfLog,
  openOrUndefined,
  parseLogLine,
  rotatedNumbers,
  type LogPosition,
} from '#agent/logs/container-log.ts';

/** Where the last `lines` lines of a log begin. Reads no more of it than those. */
export async function startOfTail(file: string, lines: number): Promise<LogPosition> {
  const end = await endOfLog(file);
  if (lines === 0) return end;
  let seen = 0;
  let isNewest = true;
  for await (const { after, offset, endsLine } of recordsBackwards(file, end)) {
    if (endsLine && seen === lines) return { after, offset };
    // The newest line counts before it has ended, too.
    if (endsLine || isNewest) seen += 1;
    isNewest = false;
  }
  return BEGINNING;
}

/** What one write of the program became, and where the next one begins. */
interface LogRecord extends LogPosition {
  readonly endsLine: boolean;
}

async function* recordsBackwards(file: string, end: LogPosition): AsyncGenerator<LogRecord> {
  const older = (await rotatedNumbers(file)).filter((number) => number <= end.after);
  // The file that was being written then may have got its number meanwhile.
  const newest =
    (await openOrUndefined(`${file}.${end.after + 1}`)) ?? (await openOrUndefined(file));
  if (newest) yield* recordsOf(newest, end);
  for (const number of older.toReversed()) {
    const handle = await openOrUndefined(`${file}.${number}`);
    // It was the oldest, and has gone.
    if (!handle) return;
    const { size } = await handle.stat();
    yield* recordsOf(handle, { after: number - 1, offset: size });
  }
}

const CHUNK_BYTES = 64 * 1024;

/** Of one file, from `offset` backwards; closes it. */
async function* recordsOf(
  handle: FileHandle,
  { after, offset }: LogPosition,
): AsyncGenerator<LogRecord> {
  try {
    const buffer = Buffer.alloc(CHUNK_BYTES);
    let rest = '';
    for (let at = offset; at > 0;) {
      const length = Math.min(CHUNK_BYTES, at);
      at -= length;
      await handle.read(buffer, 0, length, at);
      const text = buffer.toString('latin1', 0, length) + rest;
      let end = text.lastIndexOf('\n');
      for (;;) {
        const begin = text.lastIndexOf('\n', end - 1);
        // The beginning is in the chunk before this one.
        if (end <= 0 || (begin < 0 && at > 0)) break;
        const endsLine = parseLogLine(text.slice(begin + 1, end))?.text.endsWith('\n') ?? false;
        yield { after, offset: at + end + 1, endsLine };
        end = begin;
      }
      rest = text.slice(0, end + 1);
    }
  } finally {
    await handle.close();
  }
}
