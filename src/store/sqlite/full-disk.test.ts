import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runCommand } from '#base/command.ts';
import { FakeClock } from '#base/fake-clock.ts';
import { openSqliteStore } from '#store/sqlite/sqlite-store.ts';
import { StoreUnavailable, type Entry, type Revision, type Store } from '#store/store.ts';

const home = mkdtempSync(path.join(tmpdir(), 'knode-full-'));
after(() => rmSync(home, { recursive: true, force: true }));
const VALUE = 'v'.repeat(4_000);

test('a full store refuses writes, goes on reading, and takes writes again after a compaction', async () => {
  const clock = new FakeClock();
  const options = { folder: path.join(home, 'quota'), bytesMax: 400_000, clock };
  await using store = await openSqliteStore(options);
  const first = await store.create('/a', VALUE);
  const last = await updateUntilFull(store, first);
  assert.deepEqual(await store.get('/a'), last, 'what was not acknowledged is not visible');
  assert.equal(store.revision, last.modified);
  await assert.rejects(store.create('/b', ''), StoreUnavailable, 'not tried again at once');

  clock.advance(1_000);
  await store.compact(store.revision);
  const next = await store.update('/a', VALUE, last.modified);
  assert.equal(next.modified, last.modified + 1);
  await store[Symbol.asyncDispose]();

  await using again = await openSqliteStore(options);
  assert.deepEqual(await again.get('/a'), next);
});

test('a file that may not grow is an error that ends without a restart, and loses nothing', async () => {
  const folder = path.join(home, 'limit');
  const writer = fileURLToPath(new URL('./full-disk-writer.ts', import.meta.url));
  // The limit on a file's size makes the kernel refuse SQLite's own writes, as a full disk does.
  const child = spawn('prlimit', ['--fsize=300000:', process.execPath, writer, folder], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const acknowledged: string[] = [];
  const failures: string[] = [];
  let before = '';
  for await (const line of createInterface({ input: child.stdout })) {
    const [word = '', ...rest] = line.split(' ');
    if (word === 'ok') acknowledged.push(rest.join(' '));
    else {
      failures.push(rest.join(' '));
      // The first failures end when the WAL is written back to the database; at last that may not grow either.
      const hasRoom = before === word;
      if (hasRoom) await runCommand(['prlimit', `--pid=${child.pid}`, '--fsize=unlimited:']);
      child.stdin.write(hasRoom ? 'room\n' : 'again\n');
    }
    before = word;
  }
  assert.deepEqual(await exited, [0, null]);
  for (const failure of failures) assert.match(failure, /^Cannot write to the store: .*disk/);
  await using store = await openSqliteStore({ folder });
  const held = (await store.list('')).entries.map(({ key }) => key);
  assert.deepEqual(
    acknowledged.filter((key) => !held.includes(key)),
    [],
  );
  assert.ok(acknowledged.length > 30);
});

async function updateUntilFull(store: Store, first: Entry): Promise<Entry> {
  let entry = first;
  for (let at = 0; at < 1_000; at += 1) {
    try {
      entry = await store.update('/a', VALUE, entry.modified as Revision);
    } catch (error) {
      assert.ok(error instanceof StoreUnavailable, String(error));
      assert.match(error.message, /full/);
      return entry;
    }
  }
  assert.fail('the store never got full');
}
