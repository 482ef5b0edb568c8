/**
 * `npm run bench [-- --json|--markdown] [-- --only spine|serving|eventing]`: measures every row beside its peer in the same
 * run, and prints a table, or with `--json` the rows alone. Needs root, for the platforms it starts on throw-away homes. A
 * target that is missed is a row that says so, not a failure of the bench; what could not be measured is one, and the rest
 * is measured and printed all the same.
 */
import { parseArgs } from 'node:util';
import { measuredRow, type MeasuredRow, type Measurement } from './row.ts';
import { measurements, type Part } from './rows.ts';
import { markdownTable, plainTable } from './table.ts';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    markdown: { type: 'boolean', default: false },
    only: { type: 'string' },
  },
});
const { only } = values;
const parts = Object.keys(measurements) as Part[];
const all = Object.values(measurements)
  .flat()
  .filter((each) => only === undefined || each.rows.some(({ id }) => isBelow(id, only)));
if (all.length === 0 && !parts.some((part) => part === only)) {
  const ids = `${parts.join(', ')}, or how a row's id begins, as spine.memory`;
  process.stderr.write(`--only takes ${ids}: found "${only}"\n`);
  process.exit(2);
}
let resources = new AsyncDisposableStack();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void resources.disposeAsync().finally(() => process.exit(130)));
}
const rows: MeasuredRow[] = [];
for (const measurement of all) {
  try {
    rows.push(...(await measured(measurement)));
  } catch (error) {
    process.stderr.write(`${idsOf(measurement)}: not measured: ${String(error)}\n`);
    process.exitCode = 1;
  }
}
process.stdout.write(shown());

async function measured(measurement: Measurement): Promise<readonly MeasuredRow[]> {
  resources = new AsyncDisposableStack();
  await using owned = resources;
  const figures = await measurement.measure({
    progress: (text) => void process.stderr.write(`${idsOf(measurement)}: ${text}\n`),
    resources: owned,
  });
  return measurement.rows.map((row) => {
    const figure = figures[row.id];
    if (!figure) throw new Error(`${row.id} was not measured`);
    return measuredRow(row, figure);
  });
}

/** `spine.cold` is above `spine.cold.node`; who asks for one row is given those of its measurement. */
function isBelow(id: string, prefix: string): boolean {
  return `${id}.`.startsWith(`${prefix}.`);
}

function idsOf(measurement: Measurement): string {
  return measurement.rows.map(({ id }) => id).join(', ');
}

function shown(): string {
  if (values.json) return `${JSON.stringify({ rows })}\n`;
  if (!values.markdown) return plainTable(rows);
  const known = all.flatMap((measurement) => measurement.rows);
  return markdownTable(rows, (id) => known.find((row) => row.id === id)?.measure ?? '');
}
