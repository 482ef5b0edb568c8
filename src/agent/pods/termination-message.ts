import path from 'node:path';
import type { Container } from '#api/generated/core-v1.ts';
import { tailOfFile } from '#base/file-tail.ts';
import { parseLogLine, rotatedNumbers } from '#agent/logs/container-log.ts';

/** Kubernetes' limits: of the file, and of the log's end that stands in for it. */
const FILE_BYTES_MAX = 4096;
const LOG_BYTES_MAX = 2048;
const LOG_LINES_MAX = 80;
/** What stands before each line in the log, rounded up. */
const LINE_HEAD_BYTES = 64;
/** conmon writes what has no line break in records of so many bytes. */
const RECORD_BYTES_MAX = 8192;
/** All that may be wanted, behind a record that is cut. */
const READ_BYTES = LOG_BYTES_MAX + LOG_LINES_MAX * LINE_HEAD_BYTES + RECORD_BYTES_MAX;

/** The program's last words: what it wrote for that purpose, or where it failed and the spec says so, its log's end. */
export async function terminationMessage(
  container: Container,
  bundle: string,
  exitCode: number,
): Promise<string | undefined> {
  const written = await tailOfFile(path.join(bundle, 'termination-log'), FILE_BYTES_MAX);
  if (written.length > 0) return written.toString();
  if (container.terminationMessagePolicy !== 'FallbackToLogsOnError' || exitCode === 0)
    return undefined;
  const log = path.join(bundle, 'log');
  const rotated = (await rotatedNumbers(log)).slice(-1).map((number) => `${log}.${number}`);
  const ends = await Promise.all([...rotated, log].map((file) => tailOfFile(file, READ_BYTES)));
  const texts = ends
    .map((end) => end.toString('latin1'))
    .join('')
    .split('\n')
    .flatMap((line) => parseLogLine(line)?.text ?? []);
  const last = Buffer.from(texts.slice(-LOG_LINES_MAX).join(''), 'latin1');
  return last.subarray(-LOG_BYTES_MAX).toString() || undefined;
}
