import path from 'node:path';
import type { Container } from '#api/generated/core-v1.ts';
import { tailOfFile } from '#base/file-tail.ts';
import { parseLogLine, rotatedNumbers } from '#agent/logs/container-log.ts';

/** Kubernetes' limits: of the file, and of the log's end that stands in for it. */
const FILE_BYTES_MAX = 4096;
const LOG_BYTES_MAX = 2048;
const LOG_LINES_MAX = 80;

/** The program's last words: what it wrote for that purpose, or where it failed and the spec says so, its log's end. */
export async function terminationMessage(
  container: Container,
  bundle: string,
  exitCode: number,
): Promise<string | undefined> {
  const written = await tail(path.join(bundle, 'termination-log'), FILE_BYTES_MAX);
  if (written !== '') return written;
  if (container.terminationMessagePolicy !== 'FallbackToLogsOnError' || exitCode === 0)
    return undefined;
  const log = path.join(bundle, 'log');
  const rotated = (await rotatedNumbers(log)).slice(-1).map((number) => `${log}.${number}`);
  const ends = await Promise.all([...rotated, log].map((file) => tail(file, LOG_BYTES_MAX * 2)));
  const texts = ends
    .join('')
    .split('\n')
    .flatMap((line) => parseLogLine(line)?.text ?? []);
  return texts.slice(-LOG_LINES_MAX).join('').slice(-LOG_BYTES_MAX) || undefined;
}

async function tail(file: string, bytesMax: number): Promise<string> {
  return (await tailOfFile(file, bytesMax)).toString();
}
