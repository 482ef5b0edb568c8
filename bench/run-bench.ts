/**
 * `npm run bench [-- --json] [-- --only spine|serving|eventing]`: measures every row beside its peer in the same run, and
 * prints a table, or with `--json` the rows alone. Needs root, for the platforms it starts on throw-away homes. A target
 * that is missed is a row that says so, not a failure of the bench.
 */
import { parseArgs } from 'node:util';
import { measuredRow, type MeasuredRow, type Measurement } from './row.ts';
import { measurements, type Part } from './rows.ts';

const { values } = parseArgs({
  options: { json: { type: 'boolean', default: false }, only: { type: 'string' } },
});
const parts = Object.keys(measurements) as Part[];
const chosen = parts.filter((part) => values.only === undefined || values.only === part);
if (chosen.length === 0) {
  process.stderr.write(`--only takes ${parts.join(', ')}, found "${values.only}"\n`);
  process.exit(2);
}
let resources = new AsyncDisposableStack();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void resources.disposeAsync().finally(() => process.exit(130)));
}
const rows: MeasuredRow[] = [];
for (const measurement of chosen.flatMap((part) => measurements[part])) {
  rows.push(...(await measured(measurement)));
}
process.stdout.write(values.json ? `${JSON.stringify({ rows })}\n` : tableOf(rows));

async function measured(measurement: Measurement): Promise<readonly MeasuredRow[]> {
  const ids = measurement.rows.map(({ id }) => id).join(', ');
  resources = new AsyncDisposableStack();
  await using owned = resources;
  const figures = await measurement.measure({
    progress: (text) => void process.stderr.write(`${ids}: ${text}\n`),
    resources: owned,
  });
  return measurement.rows.map((row) => {
    const figure = figures[row.id];
    if (!figure) throw new Error(`${row.id} was not measured`);
    return measuredRow(row, figure);
  });
}

function tableOf(measuredRows: readonly MeasuredRow[]): string {
  const head = ['ROW', 'VALUE', 'PEER', 'RATIO', 'TARGET', ''];
  const lines = measuredRows.map(({ id, value, unit, peer, peerValue, ratio, target, ok }) => [
    id,
    `${value} ${unit}`,
    peerValue === null ? '' : `${peerValue} ${unit} (${peer})`,
    ratio === null ? '' : `${ratio} ×`,
    target,
    ok ? 'ok' : 'missed',
  ]);
  const widths = head.map((_, at) =>
    Math.max(...[head, ...lines].map((line) => (line[at] ?? '').length)),
  );
  const text = (line: readonly string[]): string =>
    line
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd();
  return [head, ...lines].map((line) => `${text(line)}\n`).join('');
}
