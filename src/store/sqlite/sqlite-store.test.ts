import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import { openSqliteStore } from '#store/sqlite/sqlite-store.ts';
import { testStore } from '#store/store.contract.ts';

const home = await mkdtemp(path.join(tmpdir(), 'knode-store-'));
after(() => rm(home, { recursive: true, force: true }));

let stores = 0;
testStore('sqlite', (limits) => {
  stores += 1;
  return openSqliteStore({ ...limits, folder: path.join(home, `${stores}`) });
});
