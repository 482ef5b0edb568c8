/**
 * A process that serves the API from a store on disk until it is killed: `api-process.ts FOLDER`. Says its URL in one line
 * when it does.
 */
import { openSqliteStore } from '#store/sqlite/sqlite-store.ts';
import { serveCluster } from '#test/support/served.ts';

const folder = process.argv[2];
if (!folder) throw new Error('Cannot serve: wanted a folder');
const store = await openSqliteStore({ folder });
const { url } = await serveCluster({ server: { store } });
process.stdout.write(`${url}\n`);
