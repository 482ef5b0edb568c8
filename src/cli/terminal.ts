import { styleText } from 'node:util';

/** Something a person asked for that cannot be done, in a sentence that says what to do; no stack is shown. */
export class UserError extends Error {
  override readonly name = 'UserError';
}

export function print(line = ''): void {
  process.stdout.write(`${line}\n`);
}

/** Progress and remarks go to stderr, so that stdout holds only what was asked for. */
export function remark(line: string): void {
  process.stderr.write(`${line}\n`);
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, undefined, 2));
}

export function dim(text: string): string {
  return styleText('dim', text, { stream: process.stderr });
}

/** For stdout, in the colour of what is well. */
export function good(text: string): string {
  return styleText('green', text, { stream: process.stdout });
}

/** For stdout, in the colour of what is wrong. */
export function bad(text: string): string {
  return styleText('red', text, { stream: process.stdout });
}

function green(text: string): string {
  return styleText('green', text, { stream: process.stderr });
}

/**
 * Says what is being done and how long it took. On a terminal the running line is rewritten in place with what `update`
 * says; elsewhere only the finished line is written.
 */
export async function step<T>(
  what: string,
  work: (update: (detail: string) => void) => Promise<T>,
  describe: (result: T) => string = () => '',
): Promise<T> {
  const isTerminal = process.stderr.isTTY;
  const startMs = performance.now();
  const show = (detail: string): void => {
    if (!isTerminal) return;
    // A line that wraps could not be rewritten in place.
    const line = `… ${what}${detail === '' ? '' : `: ${detail}`}`.slice(
      0,
      process.stderr.columns - 1,
    );
    process.stderr.write(`\r\u001B[K${dim(line)}`);
  };
  show('');
  try {
    const result = await work(show);
    const took = dim(`${formatMs(performance.now() - startMs)}`);
    const clear = isTerminal ? '\r\u001B[K' : '';
    const description = describe(result);
    remark(`${clear}${green('✔')} ${what}${description === '' ? '' : `: ${description}`} ${took}`);
    return result;
  } catch (error) {
    if (isTerminal) process.stderr.write('\r\u001B[K');
    throw error;
  }
}

export function formatMs(ms: number): string {
  return ms < 1000 ? `${ms.toFixed(ms < 10 ? 1 : 0)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** Columns padded to their widest cell, two spaces apart; the last one is cut to fit the terminal. */
export function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const columns = process.stdout.columns ?? Number.POSITIVE_INFINITY;
  for (const row of all) {
    const cells = row.map((cell, index) =>
      index === row.length - 1 ? cell : cell.padEnd(widths[index] ?? 0),
    );
    print(cells.join('  ').slice(0, columns).trimEnd());
  }
}
