import { watch } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';

export interface LogLine {
  /** RFC 3339 with nanoseconds, as the container runtime wrote it. */
  readonly time: string;
  readonly stream: string;
  /** Without a line break where the writer has not ended the line. */
  readonly text: string;
}

/** One line of Kubernetes' log format: `TIME STREAM F|P TEXT`; `P` is a part, the rest of the line follows. */
export function parseLogLine(line: string): LogLine | undefined {
  const match = /^(\S+) (stdout|stderr) ([FP]) (.*)$/s.exec(line);
  if (!match) return undefined;
  const [, time = '', stream = '', tag, text = ''] = match;
  return { time, stream, text: tag === 'F' ? `${text}\n` : text };
}

const CHUNK_BYTES = 64 * 1024;
const LINE_BYTES_MAX = 1024 * 1024;

/**
 * The lines of a log file from its beginning. With `follow` it goes on until `follow` is aborted, which means that the
 * container has ended: what is there by then is still read. A file that begins anew is read anew.
 */
export async function* readLogLines(file: string, follow?: AbortSignal): AsyncGenerator<LogLine> {
  const wake = new Wake(file, follow);
  try {
    for (let hasMore = true; hasMore;) {
      const handle = await openOrUndefined(file);
      if (!handle) return;
      try {
        yield* linesOf(handle, { file, follow, wake });
        hasMore = await hasBegunAnew(handle, file);
      } finally {
        await handle.close();
      }
    }
  } finally {
    wake[Symbol.dispose]();
  }
}

interface Reading {
  readonly file: string;
  readonly follow: AbortSignal | undefined;
  readonly wake: Wake;
}

async function* linesOf(
  handle: FileHandle,
  { file, follow, wake }: Reading,
): AsyncGenerator<LogLine> {
  const buffer = Buffer.alloc(CHUNK_BYTES);
  let rest = '';
  for (;;) {
    // Taken before the read: a change after it is then not missed.
    const changed = wake.next();
    const hasEnded = follow?.aborted ?? true;
    const { bytesRead } = await handle.read(buffer, 0, buffer.length);
    if (bytesRead === 0) {
      if (hasEnded || (await hasBegunAnew(handle, file))) return;
      await changed;
      continue;
    }
    // NULs and broken characters are the program's own; latin1 keeps every byte until the line is whole.
    rest += buffer.toString('latin1', 0, bytesRead);
    const lines = rest.split('\n');
    rest = (lines.pop() ?? '').slice(0, LINE_BYTES_MAX);
    for (const line of lines) {
      const parsed = parseLogLine(Buffer.from(line, 'latin1').toString('utf8'));
      if (parsed) yield parsed;
    }
  }
}

async function hasBegunAnew(handle: FileHandle, file: string): Promise<boolean> {
  const [own, named] = await Promise.all([handle.stat(), stat(file).catch(() => undefined)]);
  return named !== undefined && named.ino !== own.ino;
}

async function openOrUndefined(file: string): Promise<FileHandle | undefined> {
  try {
    return await open(file, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Tells of changes of a file, and of the end. */
class Wake implements Disposable {
  readonly #close: () => void;
  #next = Promise.withResolvers<void>();

  constructor(file: string, follow: AbortSignal | undefined) {
    const tell = (): void => {
      this.#next.resolve();
      this.#next = Promise.withResolvers<void>();
    };
    if (!follow) {
      this.#close = () => undefined;
      return;
    }
    const watcher = watch(file, tell);
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
