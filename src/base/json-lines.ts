import type { Duplex } from 'node:stream';

/**
 * Calls `onValue` with each line of `stream` parsed as JSON. A line over `lineBytesMax` or one that is not JSON destroys
 * the stream with an error: the other side is broken or hostile.
 */
export function readJsonLines(
  stream: Duplex,
  onValue: (value: unknown) => void,
  lineBytesMax = 1024 * 1024,
): void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > lineBytesMax) {
      stream.destroy(new Error(`Cannot read on: a line is longer than ${lineBytesMax} bytes`));
      return;
    }
    for (const line of lines) {
      const value = parseLine(line);
      if (value === undefined) {
        stream.destroy(new Error('Cannot read on: a line is not JSON'));
        return;
      }
      onValue(value);
    }
  });
}

/** False where the other side reads too slowly; the line is queued all the same. */
export function writeJsonLine(stream: Duplex, value: unknown): boolean {
  return stream.write(`${JSON.stringify(value)}\n`);
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    return undefined;
  }
}
