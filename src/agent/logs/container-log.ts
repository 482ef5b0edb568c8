import { watch } from 'node:fs';
import { open, readdir, stat, type FileHandle } from 'node:fs/promises';
import path from 'node:path';

export interface LogLine {
  /** RFC 3339 with nanoseconds, as the container runtime wrote it. */
  readonly time: string;
  readonly stream: string;
  /** Each character is one byte (latin1) of what was written; without a line break where the line has not ended. */
  readonly text: string;
}

/** One line of Kubernetes' log format: `TIME STREAM F|P TEXT`; `P` is a part, the rest of the line follows. */
export function parseLogLine(line: string): LogLine | undefined {
  const match = /^(\S+) (stdout|stderr) ([FP]) (.*)$/s.exec(line);
  if (!match) return undefined;
  const [, time = '', stream = '', tag, text = ''] = match;
  return { time, stream, text: tag === 'F' ? `${text}\n` : text };
}

/** Numbers of the files that a log was rotated into, oldest first: `log.7` is older than `log.8`, and that than `log`. */
export async function rotatedNumbers(file: string): Promise<number[]> {
  const name = path.basename(file);
  const names = await readdir(path.dirname(file)).catch(() => []);
  return names
    .filter((each) => each.startsWith(`${name}.`))
    .map((each) => Number(each.slice(name.length + 1)))
    .filter((number) => Number.isInteger(number))
    .toSorted((a, b) => a - b);
}

interface LogReading {
  /** Goes on until this is aborted, which means that the container has ended: what is there by then is still read. */
  readonly follow?: AbortSignal;
  readonly from?: LogPosition;
}

/** A place in a log: in the file that comes after the one of that number, so many bytes from its beginning. */
export interface LogPosition {
  readonly after: number;
  readonly offset: number;
}

export const BEGINNING: LogPosition = { after: 0, offset: 0 };

/** Where the next line will be. */
export async function endOfLog(file: string): Promise<LogPosition> {
  for (;;) {
    const after = await newestNumber(file);
    const { size = 0 } = (await stat(file).catch(() => undefined)) ?? {};
    // Otherwise the size may be that of the file after the next one.
    if (after === (await newestNumber(file))) return { after, offset: size };
  }
}

const CHUNK_BYTES = 64 * 1024;
const LINE_BYTES_MAX = 1024 * 1024;

/**
 * The lines of a log as they were found, some at a time, through all files that it is rotated into meanwhile; files that are
 * gone by then are passed over.
 */
export async function* readLog(
  file: string,
  { follow, from = BEGINNING }: LogReading = {},
): AsyncGenerator<readonly LogLine[]> {
  using wake = new Wake(path.dirname(file), follow);
  let { after, offset: position } = from;
  for (;;) {
    const next = await nextFile(file, after);
    if (!next) return;
    const { handle, number } = next;
    const isSuperseded = (): Promise<boolean> => hasNewer(file, next);
    try {
      yield* linesOf(handle, { position, follow, wake, isSuperseded });
      if (!(await isSuperseded())) return;
      // Its number may be another than it looked like, where the writer had begun anew.
      after = (await numberOf(file, handle)) ?? number;
    } finally {
      await handle.close();
    }
    position = 0;
  }
}

interface NumberedFile {
  readonly handle: FileHandle;
  /** Of a file that is being written: the number that it will get. */
  readonly number: number;
}

/** The oldest file numbered above `after`. */
async function nextFile(file: string, after: number): Promise<NumberedFile | undefined> {
  // Opened first: a rotation that comes now is then seen in the numbers.
  const current = await openOrUndefined(file);
  const numbers = await rotatedNumbers(file);
  for (const number of numbers) {
    const handle = number > after ? await openOrUndefined(`${file}.${number}`) : undefined;
    if (!handle) continue;
    await current?.close();
    return { handle, number };
  }
  return current && { handle: current, number: (numbers.at(-1) ?? 0) + 1 };
}

/** Nothing is written to a file any more once there is a newer one; until then it may be, also where it has its number. */
async function hasNewer(file: string, { handle, number }: NumberedFile): Promise<boolean> {
  if ((await newestNumber(file)) > number) return true;
  const current = await stat(file).catch(() => undefined);
  return current !== undefined && current.ino !== (await handle.stat()).ino;
}

/** Undefined where it has none, yet or any more. */
async function numberOf(file: string, handle: FileHandle): Promise<number | undefined> {
  const { ino } = await handle.stat();
  for (const number of (await rotatedNumbers(file)).toReversed()) {
    const found = await stat(`${file}.${number}`).catch(() => undefined);
    if (found?.ino === ino) return number;
  }
  return undefined;
}

async function newestNumber(file: string): Promise<number> {
  return (await rotatedNumbers(file)).at(-1) ?? 0;
}

interface Reading {
  readonly position: number;
  readonly follow: AbortSignal | undefined;
  readonly wake: Wake;
  /** Whether the file gets no more lines, once those that are in it now have been read. */
  readonly isSuperseded: () => Promise<boolean>;
}

async function* linesOf(
  handle: FileHandle,
  { position, follow, wake, isSuperseded }: Reading,
): AsyncGenerator<readonly LogLine[]> {
  const buffer = Buffer.alloc(CHUNK_BYTES);
  let at = position;
  let rest = '';
  let isLastLook = false;
  for (;;) {
    // Taken before the read: a change after it is then not missed.
    const changed = wake.next();
    const hasEnded = follow?.aborted ?? true;
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) {
      if (hasEnded || isLastLook) return;
      // Something may have been written between the read and the rotation.
      isLastLook = await isSuperseded();
      if (!isLastLook) await changed;
      continue;
    }
    at += bytesRead;
    rest += buffer.toString('latin1', 0, bytesRead);
    const lines = rest.split('\n');
    rest = (lines.pop() ?? '').slice(0, LINE_BYTES_MAX);
    yield lines.flatMap((line) => parseLogLine(line) ?? []);
  }
}

export async function openOrUndefined(file: string): Promise<FileHandle | undefined> {
  try {
    return await open(file, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Tells of changes in a folder, and of the end. */
class Wake implements Disposable {
  readonly #close: () => void;
  #next = Promise.withResolvers<void>();

  constructor(folder: string, follow: AbortSignal | undefined) {
    const tell = (): void => {
      this.#next.resolve();
      this.#next = Promise.withResolvers<void>();
    };
    if (!follow || follow.aborted) {
      this.#close = () => undefined;
      return;
    }
    const watcher = watch(folder, tell);
    watcher.on('error', tell);
    follow.addEventListener('abort', tell, { once: true });
    this.#close = () => {
      watcher.close();
      follow.removeEventListener('abort', tell);
    };
  }

  next(): Promise<void> {
    return this.#next.promise;
  }

  [Symbol.dispose](): void {
    this.#close();
  }
}
