/**
 * A process whose disk gets full and then has room again, for full-disk.test.ts: `full-disk-writer.ts FOLDER`. Says `ok KEY`
 * for each write that was acknowledged. When one fails it says `failed MESSAGE` and waits for a line on stdin, after which
 * a second has passed: `again`, or `room` for ten more writes.
 */
import { createInterface } from 'node:readline';
import { FakeClock } from '#base/fake-clock.ts';
import { openSqliteStore } from '#store/sqlite/sqlite-store.ts';
import { StoreUnavailable } from '#store/store.ts';

const folder = process.argv[2];
if (!folder) throw new Error('Cannot write: wanted a folder');
const clock = new FakeClock();
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
await using store = await openSqliteStore({ folder, clock });
for (let at = 0, left = Infinity; left > 0; at += 1) {
  try {
    await store.create(`/${at}`, 'v'.repeat(4_000));
    left -= 1;
    process.stdout.write(`ok /${at}\n`);
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    process.stdout.write(`failed ${error.message}\n`);
    const { value } = await lines.next();
    if (value === 'room') left = 10;
    clock.advance(1_000);
  }
}
process.stdin.destroy();
