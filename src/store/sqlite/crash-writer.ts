/**
 * A process that writes to a store until it is killed, for crash.test.ts: `crash-writer.ts FOLDER NAME`. Says `key revision`
 * on file descriptor 3 for each write that was acknowledged; `-` stands for a key that it deleted.
 */
import { writeSync } from 'node:fs';
import { openSqliteStore } from '#store/sqlite/sqlite-store.ts';
import type { Store } from '#store/store.ts';

const WRITERS = 8;
const VALUE = 'v'.repeat(700);

const [folder, name] = process.argv.slice(2);
if (!folder || !name) throw new Error('Cannot write: wanted a folder and a name');
// Little history, so that compaction is under way at most of the moments at which a process can die.
const store = await openSqliteStore({ folder, historyMax: 50 });
await Promise.all(Array.from({ length: WRITERS }, (_, at) => write(store, `/${name}/${at}`)));

async function write(to: Store, prefix: string): Promise<never> {
  for (let round = 0; ; round += 1) {
    const kept = await to.create(`${prefix}/${round}`, VALUE);
    say(`${kept.key} ${kept.modified}`);
    const brief = await to.create(`${prefix}/brief`, VALUE);
    say(`- ${await to.delete(brief.key, brief.modified)}`);
  }
}

/**
 * At once: what sits in a buffer when the process is killed was never said. Not on stdout, which Node makes non-blocking
 * as soon as there is a Worker, so that a slow reader would end this process with EAGAIN.
 */
function say(line: string): void {
  writeSync(3, `${line}\n`);
}
