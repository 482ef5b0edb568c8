import type { MeasuredRow } from './row.ts';

const HEAD = ['ROW', 'VALUE', 'PEER', 'RATIO', 'TARGET', ''];

/** For a terminal: columns as wide as their widest cell. */
export function plainTable(rows: readonly MeasuredRow[]): string {
  const lines = [HEAD, ...rows.map(cellsOf)];
  const widths = HEAD.map((_, at) => Math.max(...lines.map((line) => (line[at] ?? '').length)));
  const text = (line: readonly string[]): string =>
    line
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd();
  return lines.map((line) => `${text(line)}\n`).join('');
}

/** For a document, with what each row measures. */
export function markdownTable(
  rows: readonly MeasuredRow[],
  measureOf: (id: string) => string,
): string {
  const head = ['Row', 'Measure', 'Value', 'Peer', 'Ratio', 'Target', ''];
  const body = rows.map((row) => {
    const [id = '', ...cells] = cellsOf(row);
    return [`\`${id}\``, measureOf(id), ...cells];
  });
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`;
  return [line(head), line(head.map(() => '---')), ...body.map(line)].join('');
}

function cellsOf({ id, value, unit, peer, peerValue, ratio, target, ok }: MeasuredRow): string[] {
  return [
    id,
    `${value} ${unit}`,
    peerValue === null ? '' : `${peerValue} ${unit} (${peer})`,
    ratio === null ? '' : `${ratio} ×`,
    target,
    ok ? 'ok' : 'missed',
  ];
}
