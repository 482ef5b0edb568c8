import assert from 'node:assert/strict';
import {
  appendFileSync,
  cpSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { DatabaseSync } from 'node:sqlite';
import { seededRandom, type Random } from '#base/random.ts';
import { StoreDamaged, Refused, type Damage } from '#store/sqlite/refusal.ts';
import type { LogRecord } from '#store/sqlite/log-record.ts';
import { Log } from '#store/sqlite/log.ts';
import { openSqliteStore } from '#store/sqlite/sqlite-store.ts';
import type { Entry, Revision, Store } from '#store/store.ts';
import { reportFault } from '#test/support/fault-report.ts';

/** More with KNODE_FAULTS=500. */
const SEEDS = Number(process.env['KNODE_FAULTS'] ?? 40);
const BYTES_MAX = 1024 ** 3;
const home = mkdtempSync(path.join(tmpdir(), 'knode-damage-'));
after(() => rmSync(home, { recursive: true, force: true }));

/** A store as a killed process leaves it: compacted history and older writes in log.db, newer ones in the WAL. */
const whole = path.join(home, 'whole');
const { written, last } = await writeWhole();
const wholeRecords = recordsIn(copyOf('reference'));

test(`a store opens whole or not at all after ${SEEDS} bit flips and truncations`, () => {
  let noticed = 0;
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const folder = copyOf(`seed-${seed}`);
    const what = `seed ${seed}: ${damage(folder, seededRandom(seed))}`;
    const before = contentOf(folder);
    const refusal = refusalOf(folder);
    if (!refusal) {
      // Such as a bit of a page that nothing uses.
      assert.deepEqual(recordsIn(folder), wholeRecords, `${what}: opened with something else`);
    } else {
      noticed += 1;
      assert.deepEqual(contentOf(folder), before, `${what}: the refusal changed the files`);
      if (refusal.type !== 'schema') assertOpensWithLoss(folder, what);
    }
    rmSync(folder, { recursive: true });
  }
  assert.ok(
    noticed > SEEDS / 4,
    `only ${noticed} of ${SEEDS} were noticed: too few to prove anything`,
  );
  reportFault({
    id: 'damage',
    what: 'bit flips and truncations of a store',
    count: SEEDS,
    found: `${noticed} refused, the others harmless, 0 silent`,
  });
});

test('a lost file is noticed, whichever it is', () => {
  for (const file of ['log.db', 'log.db-wal', 'high-water-mark']) {
    const folder = copyOf(`without-${file}`);
    rmSync(path.join(folder, file));
    assert.equal(refusalOf(folder)?.type, 'damaged', file);
    assertOpensWithLoss(folder, `without ${file}`);
  }
});

test('a high-water mark with something behind it is noticed, and gone with the loss', () => {
  const folder = copyOf('longer-mark');
  appendFileSync(path.join(folder, 'high-water-mark'), 'x'.repeat(100));
  const refusal = refusalOf(folder);
  assert.ok(refusal?.type === 'damaged');
  assert.deepEqual(refusal.damages, [{ text: 'the high-water mark is altered', keys: [] }]);
  assertOpensWithLoss(folder, 'longer mark');
});

test('a refusal names the revisions and the keys that are gone', async () => {
  const folder = copyOf('named');
  const log = new DatabaseSync(path.join(folder, 'log.db'));
  log.exec(`DELETE FROM log WHERE revision IN (${last - 3}, ${last - 2})`);
  log.exec(`UPDATE log SET value = 'forged' WHERE revision = ${last}`);
  log.close();
  await assert.rejects(openSqliteStore({ folder }), (error) => {
    assert.ok(error instanceof StoreDamaged);
    assert.match(error.message, new RegExp(`revisions ${last - 3} to ${last - 2} are missing or`));
    assert.match(error.message, new RegExp(`revision ${last} is missing or altered`));
    const { key } = written.get(last) as Entry;
    assert.ok(
      error.damages.some(({ keys }) => keys.includes(key)),
      error.message,
    );
    return true;
  });
});

test('a key whose lost write was superseded is named by what superseded it', () => {
  const folder = copyOf('superseded');
  const log = new DatabaseSync(path.join(folder, 'log.db'));
  const row = log
    .prepare('SELECT key, prior FROM log WHERE prior > 0 ORDER BY revision DESC')
    .get();
  const prior = Number(row?.['prior']);
  log.exec(`DELETE FROM log WHERE revision = ${prior}`);
  log.close();
  const refusal = refusalOf(folder);
  assert.ok(refusal?.type === 'damaged');
  assert.deepEqual(refusal.damages, [
    {
      text: `revision ${prior} is missing or altered`,
      first: prior,
      last: prior,
      keys: [row?.['key']],
    },
  ]);
});

test('an older copy of the database does not pass for the newest', async () => {
  const folder = copyOf('rolled-back');
  await using store = await openSqliteStore({ folder });
  await store.create('/later', '');
  await store[Symbol.asyncDispose]();
  for (const file of ['log.db', 'log.db-wal'])
    cpSync(path.join(whole, file), path.join(folder, file));
  const refusal = refusalOf(folder);
  assert.ok(refusal?.type === 'damaged');
  assert.equal(refusal.damages[0]?.text, `revision ${last + 1} is missing or altered`);
});

test('another history of the same length does not pass for the acknowledged one', () => {
  // A log that is sound in itself.
  const other = path.join(home, 'other');
  {
    using log = Log.open({ folder: other, acceptLoss: false, bytesMax: BYTES_MAX });
    const revisions = Array.from({ length: last }, (_, at) => (at + 1) as Revision);
    log.append(
      revisions.map((revision) => ({
        revision,
        key: `/${revision}`,
        value: '',
        created: revision,
        prior: 0,
      })),
    );
  }
  const folder = copyOf('forked');
  rmSync(path.join(folder, 'log.db-wal'));
  cpSync(path.join(other, 'log.db'), path.join(folder, 'log.db'));
  const refusal = refusalOf(folder);
  assert.ok(refusal?.type === 'damaged');
  assert.equal(refusal.damages[0]?.text, `revision ${last} is not the one that was acknowledged`);
});

test('accepting a loss says what it was, keeps the damaged files and uses no revision twice', async () => {
  const folder = copyOf('accepted');
  truncateSync(path.join(folder, 'log.db-wal'), 4_000);
  let damages: readonly Damage[] = [];
  const accept = {
    folder,
    acceptLoss: true,
    onLoss: (lost: readonly Damage[]) => (damages = lost),
  };
  {
    await using store = await openSqliteStore(accept);
    assert.equal(damages[0]?.last, last);
    assert.ok(store.revision > last);
    const { entries } = await store.list('');
    assert.ok(entries.length > 0);
    for (const entry of entries) assert.deepEqual(entry, written.get(entry.modified));
    assert.ok((await store.create('/afterwards', '')).modified > last);
  }
  assert.ok(readdirSync(folder).includes('log.db.damaged-1'));
  await using again = await openSqliteStore({ folder });
  assert.equal((await again.get('/afterwards'))?.value, '');
});

async function writeWhole(): Promise<{ written: Map<number, Entry>; last: number }> {
  const random = seededRandom(1);
  const written = new Map<number, Entry>();
  {
    await using store = await openSqliteStore({ folder: whole });
    await writeSome(store, { random, written, count: 120 });
    await store.compact(60 as Revision);
  }
  const live = path.join(home, 'live');
  cpSync(whole, live, { recursive: true });
  await using store = await openSqliteStore({ folder: live });
  await writeSome(store, { random, written, count: 60 });
  // Copied while it is open, because closing would empty the WAL.
  cpSync(live, whole, { recursive: true });
  return { written, last: store.revision };
}

async function writeSome(
  store: Store,
  options: { random: Random; written: Map<number, Entry>; count: number },
): Promise<void> {
  const { random, written, count } = options;
  for (let at = 0; at < count; at += 1) {
    const key = `/k/${Math.floor(random.fraction() * 20)}`;
    const value = `${at} ${random.suffix(400)}`;
    const current = await store.get(key);
    if (!current) {
      const entry = await store.create(key, value);
      written.set(entry.modified, entry);
    } else if (at < count - 1 && random.fraction() < 0.2) {
      await store.delete(key, current.modified);
    } else {
      const entry = await store.update(key, value, current.modified);
      written.set(entry.modified, entry);
    }
  }
}

function copyOf(name: string): string {
  const folder = path.join(home, name);
  cpSync(whole, folder, { recursive: true });
  return folder;
}

function damage(folder: string, random: Random): string {
  const files = ['log.db', 'log.db-wal', 'high-water-mark'] as const;
  // The mark is small; most seeds should not be spent on it.
  const name = files[Math.floor(random.fraction() * 2.2)] ?? 'log.db';
  const file = path.join(folder, name);
  const bytes = readFileSync(file);
  const at = Math.floor(random.fraction() * bytes.length);
  if (random.fraction() < 0.3) {
    truncateSync(file, at);
    return `${name} cut at ${at}`;
  }
  const bit = Math.floor(random.fraction() * 8);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
  writeFileSync(file, bytes);
  return `${name} bit ${bit} of byte ${at} flipped`;
}

function refusalOf(folder: string): Refused['refusal'] | undefined {
  try {
    using _log = Log.open({ folder, acceptLoss: false, bytesMax: BYTES_MAX });
    return undefined;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return error.refusal;
  }
}

function recordsIn(folder: string): LogRecord[] {
  using log = Log.open({ folder, acceptLoss: false, bytesMax: BYTES_MAX });
  return [...log.recordsAfter(0)];
}

/** Whatever is left must have been written once under that key and revision, and be there without a question later. */
function assertOpensWithLoss(folder: string, what: string): void {
  {
    using log = Log.open({ folder, acceptLoss: true, bytesMax: BYTES_MAX });
    assert.ok(log.damages.length > 0, what);
    assert.ok(log.end.revision > last, `${what}: revisions would be used twice`);
  }
  for (const { revision, key, value, created } of recordsIn(folder)) {
    assert.deepEqual({ key, value, created, modified: revision }, written.get(revision), what);
  }
}

function contentOf(folder: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(folder)
      .toSorted()
      .map((name) => [name, readFileSync(path.join(folder, name), 'base64')]),
  );
}
