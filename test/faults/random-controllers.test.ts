import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLog, type Log } from '#base/log.ts';
import { seededRandom } from '#base/random.ts';
import { coreKinds, servingKinds } from '#api/kinds.ts';
import { fixedKinds } from '#api/served-kinds.ts';
import { platformUser } from '#apiserver/user.ts';
import { createClient } from '#client/create-client.ts';
import { coreControllers } from '#controllers/core/core-controllers.ts';
import { runControllers } from '#reconcile/run-controllers.ts';
import { reportFault, scaled } from '#test/support/fault-report.ts';
import { Chance } from '#test/support/random-object.ts';
import { collectionOf, ValidObjects } from '#test/support/valid-objects.ts';
import { volumeFolders } from '#test/support/volume-folders.ts';
import { startWire } from '#test/support/wire.ts';

const SEED = Number(process.env['KNODE_FAULTS_SEED'] ?? 31);
/** Of each kind; so many are there at once. */
const ROUNDS = scaled(10);
const AT_ONCE = 20;

test('F31: no controller has a bug that a valid object brings out', async () => {
  const bugs = new Map<string, unknown>();
  const log = bugLog(bugs);
  await using wire = await startWire({ log });
  const stop = new AbortController();
  const client = createClient((request) => wire.server.handle({ ...request, user: platformUser }));
  const kinds = fixedKinds([...coreKinds, ...servingKinds]);
  const { controllers, loops } = coreControllers({ kinds, folders: volumeFolders(), caPem: 'x' });
  await using running = await runControllers({
    client,
    controllers,
    loops,
    clock: wire.clock,
    random: seededRandom(SEED),
    log,
    signal: stop.signal,
  });
  const chance = new Chance(seededRandom(SEED));
  const post = (target: string, object: unknown) => wire.send('POST', target, object);
  // A definition's name is given, and there is but one of it.
  const several = coreKinds.filter(({ kind }) => kind !== 'CustomResourceDefinition');
  let count = 0;
  for (const kind of several.flatMap((each) => Array.from({ length: ROUNDS }, () => each))) {
    const objects = new ValidObjects(kind, { chance, post });
    for (let at = 0; at < AT_ONCE; at += 1) {
      await objects.create(`random-${count}`);
      count += 1;
    }
    await running.idle();
    wire.clock.advance(1_000);
    await running.idle();
    await wire.send('DELETE', collectionOf(kind));
    await running.idle();
  }
  stop.abort();
  reportFault({
    id: 'F31',
    what: `random objects of ${several.length} kinds before all of Kubernetes’ controllers (seed ${SEED})`,
    count,
    found: `${bugs.size} bugs`,
  });
  assert.deepEqual([...bugs.values()], []);
});

/** Keeps what is logged as a bug, one of each place. */
function bugLog(bugs: Map<string, unknown>): Log {
  const log: Log = {
    ...silentLog,
    error(message, fields) {
      const error = fields?.['error'];
      const stack = error instanceof Error ? (error.stack ?? '') : String(error);
      bugs.set(stack.split('\n').slice(0, 2).join(), { message, stack });
    },
    with: () => log,
  };
  return log;
}
