import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { seededRandom } from '#base/random.ts';
import { reportFault } from '#test/support/fault-report.ts';
import { openSqliteStore } from '#store/sqlite/sqlite-store.ts';

/** More with KNODE_CRASHES=500. */
const CRASHES = Number(process.env['KNODE_CRASHES'] ?? 8);
const SEED = 4;
const folder = mkdtempSync(path.join(tmpdir(), 'knode-crash-'));
after(() => rmSync(folder, { recursive: true, force: true }));

test(`no acknowledged write is lost to ${CRASHES} kill -9 of the writing process`, async () => {
  const random = seededRandom(SEED);
  const acknowledged = new Map<string, number>();
  let last = 0;
  for (let crash = 1; crash <= CRASHES; crash += 1) {
    // Each process opens what the one before it left, so each also proves that log.
    const lines = 1 + Math.floor(random.fraction() ** 2 * 400);
    const said = await writeUntilKilled(`${crash}`, lines);
    for (const [key, revision] of said) {
      assert.ok(revision > last, `revision ${revision} of an earlier process was given twice`);
      if (key !== '-') acknowledged.set(key, revision);
    }
    last = Math.max(last, ...said.map(([, revision]) => revision));
  }
  assert.ok(acknowledged.size > CRASHES, 'enough writes to prove anything');
  await using store = await openSqliteStore({ folder });
  assert.ok(store.revision >= last);
  const { entries } = await store.list('');
  const found = new Map(entries.map((entry) => [entry.key, entry.modified as number]));
  const lost = [...acknowledged].filter(([key, revision]) => found.get(key) !== revision);
  assert.deepEqual(lost, []);
  reportFault({
    id: 'kill -9',
    what: 'the writing process of a store',
    count: CRASHES,
    found: `${acknowledged.size} writes acknowledged, 0 lost`,
  });
});

/** Kills the process when it has said so many lines; all that it said until it was dead. */
async function writeUntilKilled(name: string, lines: number): Promise<[string, number][]> {
  const program = fileURLToPath(new URL('./crash-writer.ts', import.meta.url));
  const child = spawn(process.execPath, [program, folder, name], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit');
  const [, , stderr, acknowledgements] = child.stdio;
  assert.ok(stderr instanceof Readable && acknowledgements instanceof Readable);
  const complaint = text(stderr);
  const said: [string, number][] = [];
  for await (const line of createInterface({ input: acknowledgements })) {
    const [key = '', revision] = line.split(' ');
    said.push([key, Number(revision)]);
    if (said.length === lines) child.kill('SIGKILL');
  }
  const [, signal] = await exited;
  assert.equal(signal, 'SIGKILL', `the process ended by itself: ${await complaint}`);
  return said;
}
