import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, truncateSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { seededRandom, type Random } from '#base/random.ts';
import { StoreInUse } from '#store/sqlite/refusal.ts';
import { openSqliteStore } from '#store/sqlite/sqlite-store.ts';
import { Compacted, revisionOf, type Change, type Revision, type Store } from '#store/store.ts';

const home = mkdtempSync(path.join(tmpdir(), 'knode-restart-'));
after(() => rmSync(home, { recursive: true, force: true }));

test('a watch from before a restart resumes after it, with the values that changes replaced', async () => {
  const folder = path.join(home, 'resume');
  const before: Change[] = [];
  {
    await using store = await openSqliteStore({ folder });
    const a = await store.create('/a', '1');
    const b = await store.update('/a', '2', a.modified);
    await store.delete('/a', b.modified);
    await store.create('/a', '3');
    before.push(...(await take(store, { from: 1, count: 3 })));
  }
  await using store = await openSqliteStore({ folder });
  assert.deepEqual(await take(store, { from: 1, count: 3 }), before);
});

test('a first start that died before it wrote its first mark is no damage', async () => {
  const folder = path.join(home, 'first-start');
  {
    await using _store = await openSqliteStore({ folder });
  }
  truncateSync(path.join(folder, 'high-water-mark'), 0);
  {
    await using store = await openSqliteStore({ folder });
    assert.equal((await store.create('/a', '')).modified, 1);
  }
  truncateSync(path.join(folder, 'high-water-mark'), 0);
  await assert.rejects(openSqliteStore({ folder }), /the high-water mark is missing/);
});

test('what was compacted stays compacted after a restart', async () => {
  const folder = path.join(home, 'compacted');
  {
    await using store = await openSqliteStore({ folder });
    let entry = await store.create('/a', '0');
    for (let at = 1; at < 8; at += 1) entry = await store.update('/a', `${at}`, entry.modified);
    await store.compact(5 as Revision);
  }
  await using store = await openSqliteStore({ folder });
  await assert.rejects(take(store, { from: 3, count: 1 }), Compacted);
  assert.deepEqual((await take(store, { from: 5, count: 3 })).map(revisionOf), [6, 7, 8]);
});

test('a store that is compacted to its end and reopened goes on with the next revision', async () => {
  const folder = path.join(home, 'end');
  {
    await using store = await openSqliteStore({ folder });
    const a = await store.create('/a', '');
    await store.delete('/a', a.modified);
    await store.compact(store.revision);
  }
  await using store = await openSqliteStore({ folder });
  assert.equal(store.revision, 2);
  assert.deepEqual((await store.list('')).entries, []);
  assert.equal((await store.create('/a', '')).modified, 3);
});

test('random writes, compactions and restarts never change what the store holds', async () => {
  const folder = path.join(home, 'random');
  const random = seededRandom(11);
  const model = new Map<string, string>();
  let revision = 0;
  for (let restart = 0; restart < 8; restart += 1) {
    await using store = await openSqliteStore({ folder, historyMax: 30 });
    assert.equal(store.revision, revision);
    const { entries } = await store.list('');
    assert.deepEqual(new Map(entries.map(({ key, value }) => [key, value])), model);
    await writeRandomly(store, { random, model });
    revision = store.revision;
  }
});

test('superseded values do not stay on disk for ever', async () => {
  const folder = path.join(home, 'trimmed');
  {
    await using store = await openSqliteStore({ folder, historyMax: 20 });
    let entry = await store.create('/a', '');
    for (let at = 0; at < 300; at += 1) entry = await store.update('/a', '', entry.modified);
  }
  using database = new DatabaseSync(path.join(folder, 'log.db'), { readOnly: true });
  const rows = Number(database.prepare('SELECT count(*) AS rows FROM log').get()?.['rows']);
  assert.ok(rows >= 20 && rows <= 60, `${rows} rows`);
});

test('a second opener is told that the store is in use', async () => {
  const folder = path.join(home, 'in-use');
  await using store = await openSqliteStore({ folder });
  await store.create('/a', '');
  await assert.rejects(openSqliteStore({ folder }), StoreInUse);
  await store.create('/b', '');
});

test('nobody else may read the files', async () => {
  const folder = path.join(home, 'modes');
  await using store = await openSqliteStore({ folder });
  await store.create('/a', '');
  assert.equal(statSync(folder).mode & 0o777, 0o700);
  for (const file of ['log.db', 'log.db-wal', 'high-water-mark']) {
    assert.equal(statSync(path.join(folder, file)).mode & 0o777, 0o600, file);
  }
});

async function writeRandomly(
  store: Store,
  { random, model }: { random: Random; model: Map<string, string> },
): Promise<void> {
  for (let at = 0; at < 60; at += 1) {
    const key = `/${Math.floor(random.fraction() * 15)}`;
    const current = await store.get(key);
    const value = random.suffix(5);
    if (!current) await store.create(key, value);
    else if (random.fraction() < 0.4) await store.delete(key, current.modified);
    else await store.update(key, value, current.modified);
    if (current && !(await store.get(key))) model.delete(key);
    else model.set(key, value);
    const upTo = Math.floor(random.fraction() * store.revision) as Revision;
    if (random.fraction() < 0.1) await store.compact(upTo);
  }
}

async function take(
  store: Store,
  { from, count }: { from: number; count: number },
): Promise<Change[]> {
  const changes: Change[] = [];
  for await (const change of store.watch('', from as Revision, new AbortController().signal)) {
    changes.push(change);
    if (changes.length === count) break;
  }
  return changes;
}
