import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  FIXTURE_COMPACTED,
  FIXTURE_ENTRIES,
  FIXTURE_REVISION,
} from '#store/sqlite/fixtures/write-fixture.ts';
import { SCHEMA_VERSION } from '#store/sqlite/log-database.ts';
import { SchemaUnknown } from '#store/sqlite/refusal.ts';
import { openSqliteStore } from '#store/sqlite/sqlite-store.ts';
import { Compacted, revisionOf, type Revision } from '#store/store.ts';

const home = mkdtempSync(path.join(tmpdir(), 'knode-schema-'));
after(() => rmSync(home, { recursive: true, force: true }));
const fixtures = fileURLToPath(new URL('./fixtures', import.meta.url));

test('every schema version that was ever written is opened, and written to', async () => {
  const versions = readdirSync(fixtures).filter((name) => name.startsWith('v'));
  assert.equal(versions.length, SCHEMA_VERSION, 'one fixture for each version');
  for (const version of versions) {
    const folder = path.join(home, version);
    cpSync(path.join(fixtures, version), folder, { recursive: true });
    await using store = await openSqliteStore({ folder });
    assert.equal(store.revision, FIXTURE_REVISION);
    const { entries } = await store.list('');
    assert.deepEqual(Object.fromEntries(entries.map((e) => [e.key, e.value])), FIXTURE_ENTRIES);
    const { signal } = new AbortController();
    const oldest = store.watch('', FIXTURE_COMPACTED as Revision, signal);
    for await (const change of oldest) {
      assert.equal(revisionOf(change), FIXTURE_COMPACTED + 1);
      break;
    }
    const older = store.watch('', 1 as Revision, signal)[Symbol.asyncIterator]();
    await assert.rejects(older.next(), Compacted);
    assert.equal((await store.create('/new', '')).modified, FIXTURE_REVISION + 1);
  }
});

test('a schema from the future is refused and left as it is, even where a loss is accepted', async () => {
  const folder = path.join(home, 'future');
  cpSync(path.join(fixtures, 'v1'), folder, { recursive: true });
  const file = path.join(folder, 'log.db');
  const database = new DatabaseSync(file);
  database.exec(`PRAGMA user_version = ${SCHEMA_VERSION + 1}`);
  database.close();
  const before = readFileSync(file);
  for (const acceptLoss of [false, true]) {
    await assert.rejects(openSqliteStore({ folder, acceptLoss }), (error) => {
      assert.ok(error instanceof SchemaUnknown);
      assert.equal(error.found, SCHEMA_VERSION + 1);
      assert.match(error.message, /its schema has version 2, this knode knows up to 1/);
      return true;
    });
  }
  assert.deepEqual(readFileSync(file), before);
});
