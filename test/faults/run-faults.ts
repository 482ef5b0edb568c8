/**
 * `npm run faults [-- --full] [-- FILE…]`: the fault tests one after the other, a tenth of their cases unless `--full`, and
 * at the end a table of what was done.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import type { FaultRow } from '#test/support/fault-report.ts';

const { values, positionals } = parseArgs({
  options: { full: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const share = values.full ? 1 : 0.1;
const files =
  positionals.length > 0
    ? positionals
    : [
        ...globSync('test/faults/*.test.ts').toSorted(),
        'src/store/sqlite/crash.test.ts',
        'src/store/sqlite/damage.test.ts',
      ];
const work = mkdtempSync(path.join(tmpdir(), 'knode-faults-'));
const table = path.join(work, 'table');
const tests = spawn(
  process.execPath,
  ['--test', '--test-concurrency=1', '--test-timeout=21600000', ...files],
  {
    stdio: 'inherit',
    env: {
      ...process.env,
      KNODE_FAULTS_SHARE: String(share),
      KNODE_FAULTS_TABLE: table,
      KNODE_CRASHES: String(500 * share),
      KNODE_FAULTS: String(500 * share),
    },
  },
);
const [code] = (await once(tests, 'exit')) as [number | null];
const rows = existsSync(table) ? readFileSync(table, 'utf8').trim().split('\n') : [];
rmSync(work, { recursive: true });
for (const row of rows) {
  const { id, what, count, found } = JSON.parse(row) as FaultRow;
  process.stdout.write(`${id.padEnd(8)} ${String(count).padStart(7)}  ${what}: ${found}\n`);
}
process.exitCode = code ?? 1;
