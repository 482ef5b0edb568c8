import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { before, test } from 'node:test';
import { run } from '#test/support/platform.ts';
import { clientsCache } from '#test/support/clients-cache.ts';
import { sitDown, type Desk } from './desk.ts';
import { assertTold, NAMESPACE, trouble } from './history.ts';

const program = path.join(clientsCache(), 'client-go');

before(async () => {
  const build = ['go', 'build', '-o', program, '.'] as const;
  const cwd = path.join(import.meta.dirname, 'go');
  const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-mod=readonly -buildvcs=false' };
  const outcome = await run(build, { cwd, env, timeoutMs: 600_000 });
  assert.equal(outcome.code, 0, outcome.stderr);
});

const tours = {
  typed: 'create, watch, three patches, conflicts, apply, pages, deletes',
  protobuf: 'the same with bodies in protobuf',
  dynamic: 'version, discovery, REST mapping, kinds without a Go type, metadata alone',
  election: 'a lease goes from one leader to the next',
  restricted: 'a token that may only read; eviction',
};

for (const [tour, what] of Object.entries(tours)) {
  test(`client-go, ${tour}: ${what}`, async () => {
    await using desk = await sitDown();
    const outcome = await run([program, tour], { env: desk.env, timeoutMs: 130_000 });
    assert.equal(outcome.code, 0, outcome.stderr);
  });
}

/** What test/clients/go/informers.go writes at the end, by sort of informer. */
type Reports = Readonly<
  Record<
    'typed' | 'protobuf' | 'dynamic' | 'metadata',
    {
      readonly state: Readonly<Record<string, string>>;
      readonly counts: readonly string[];
      readonly lists: number;
      readonly faults: readonly string[];
    }
  >
>;

for (const [how, isStreamed] of [
  ['lists and watches', 'false'],
  ['streamed lists', 'true'],
] as const) {
  test(`client-go, informers by ${how}: broken connections and forgotten history lose nothing`, async () => {
    await using desk = await sitDown();
    await using troubled = await trouble(desk.cluster);
    await writeFile(path.join(desk.folder, 'kubeconfig'), troubled.kubeconfig);
    const env = { KUBECONFIG: 'kubeconfig', KUBE_FEATURE_WatchListClient: isStreamed };
    const { lines, ended } = inform(desk, env);
    const expectLine = async (wanted: string): Promise<void> => {
      const line = await lines.next();
      assert.equal(line.value, wanted, line.done === true ? await ended : '');
    };
    await expectLine('synced');
    const lived = await troubled.live(expectLine);
    const reports = JSON.parse(String((await lines.next()).value)) as Reports;
    assert.equal(Object.keys(reports).length, 4);
    for (const [sort, { state, counts, lists, faults }] of Object.entries(reports)) {
      assert.deepEqual(faults, [], sort);
      assert.deepEqual(state, lived.state, sort);
      assertTold(counts, lived);
      assert.ok(lists >= 2, `${sort} read everything ${lists} times: history was never too short`);
    }
    assert.equal(await ended, '');
  });
}

/** The program with its informers: what it prints line by line, and its last words where it fails. */
function inform(
  { folder, env }: Desk,
  more: NodeJS.ProcessEnv,
): { readonly lines: AsyncIterator<string>; readonly ended: Promise<string> } {
  const child = spawn(program, ['informers', NAMESPACE], {
    cwd: folder,
    env: { ...env, ...more },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const words = text(child.stderr);
  const ended = once(child, 'close').then(async ([code]) => (code === 0 ? '' : await words));
  return { lines: createInterface(child.stdout)[Symbol.asyncIterator](), ended };
}
