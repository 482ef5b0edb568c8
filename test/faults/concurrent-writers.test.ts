import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { bodyText } from '#base/http-message.ts';
import { seededRandom } from '#base/random.ts';
import { httpsTransport } from '#client/https-transport.ts';
import { openSqliteStore } from '#store/sqlite/sqlite-store.ts';
import { reportFault, scaled, timesText } from '#test/support/fault-report.ts';
import { serveCluster } from '#test/support/served.ts';

/*
 * Revisions order every write, so linearizability need not be searched for: each acknowledged write must be the one of its
 * revision in the history, must follow from the state before it, and must come after whatever was acknowledged before it
 * was sent. Reads must fit in between likewise.
 */

const WRITERS = 50;
const ROUNDS = scaled(200);
const SEED = 32;
const MAPS = '/api/v1/namespaces/default/configmaps';
const folder = mkdtempSync(path.join(tmpdir(), 'knode-writers-'));
after(() => rmSync(folder, { recursive: true, force: true }));

interface ConfigMap {
  readonly metadata: { readonly name: string; readonly resourceVersion: string };
  readonly data?: Readonly<Record<string, string>>;
}

type Way = 'update' | 'json-patch' | 'merge-patch' | 'strict merge-patch' | 'apply' | 'read';
const WAYS: readonly Way[] = [
  'update',
  'json-patch',
  'merge-patch',
  'strict merge-patch',
  'apply',
  'read',
];

/** What one client did and was told, in the order of this process. */
interface Operation {
  readonly way: Way;
  readonly writer: string;
  /** The value it gave its own key, or the counter. */
  readonly value: string;
  readonly began: number;
  readonly ended: number;
  readonly status: number;
  readonly object: ConfigMap | undefined;
}

test(`F32: ${WRITERS} writers of one object are linearizable, and none loses a write`, async () => {
  const store = await openSqliteStore({ folder, historyMax: 100_000 });
  await using _ = store;
  await using served = await serveCluster({ server: { store } });
  const { url, ca, token } = served;
  await using transport = httpsTransport({ server: url, ca, token: () => token });
  const { signal } = new AbortController();
  let tick = 0;
  const operations: Operation[] = [];
  const timesMs: number[] = [];

  const send = async (method: string, target: string, body?: unknown, type = 'json') => {
    const headers = { 'content-type': `application/${type}` };
    const text = body === undefined ? {} : { body: JSON.stringify(body) };
    const reply = await transport.send({ method, target, headers, signal, ...text });
    const answer = JSON.parse(await bodyText(reply.body)) as ConfigMap;
    return { status: reply.status, object: reply.status < 300 ? answer : undefined };
  };
  await send('POST', '/api/v1/namespaces', { metadata: { name: 'default' } });
  const made = await send('POST', MAPS, { metadata: { name: 'shared' }, data: { counter: '0' } });
  const target = `${MAPS}/shared`;
  assert.equal(made.status, 201);

  const act = async (writer: string, way: Way, value: string): Promise<void> => {
    const record = async (call: () => ReturnType<typeof send>, wrote = value): Promise<void> => {
      const [began, startMs] = [(tick += 1), performance.now()];
      const { status, object } = await call();
      timesMs.push(performance.now() - startMs);
      operations.push({ way, writer, value: wrote, began, ended: (tick += 1), status, object });
    };
    if (way === 'read') return await record(() => send('GET', target));
    if (way === 'apply') {
      const applied = { apiVersion: 'v1', kind: 'ConfigMap', data: { [writer]: value } };
      const query = `?fieldManager=${writer}&force=true`;
      return await record(() => send('PATCH', target + query, applied, 'apply-patch+yaml'));
    }
    if (way === 'merge-patch') {
      const patch = { data: { [writer]: value } };
      return await record(() => send('PATCH', target, patch, 'merge-patch+json'));
    }
    // The others read first, and raise the counter only if it is what they read.
    const { object } = await send('GET', target);
    const { counter = '' } = object?.data ?? {};
    const next = String(Number(counter) + 1);
    const { resourceVersion = '' } = object?.metadata ?? {};
    if (way === 'json-patch') {
      const patch = [
        { op: 'test', path: '/data/counter', value: counter },
        { op: 'replace', path: '/data/counter', value: next },
      ];
      return await record(() => send('PATCH', target, patch, 'json-patch+json'), next);
    }
    if (way === 'update') {
      const changed = { ...object, data: { ...object?.data, counter: next } };
      return await record(() => send('PUT', target, changed), next);
    }
    const patch = { metadata: { resourceVersion }, data: { counter: next } };
    return await record(() => send('PATCH', target, patch, 'merge-patch+json'), next);
  };

  const random = seededRandom(SEED);
  await Promise.all(
    Array.from({ length: WRITERS }, async (_each, index) => {
      for (let round = 0; round < ROUNDS; round += 1) {
        const way = WAYS[Math.floor(random.fraction() * WAYS.length)] ?? 'read';
        await act(`writer-${index}`, way, `${round}`);
      }
    }),
  );

  const states = await history(store, Number(made.object?.metadata.resourceVersion));
  const refused = checkStatuses(operations);
  const acknowledged = checkWrites(operations, states);
  checkRealTime(operations);
  reportFault({
    id: 'F32',
    what: `${WRITERS} writers of one object by update, three patches, apply and read`,
    count: operations.length,
    found: `${acknowledged} writes in one order, 0 lost, ${refused} told of a conflict; ${timesText(timesMs)}`,
  });
  assert.ok(acknowledged > WRITERS && refused > 0, 'enough of both to prove anything');
});

/** What the object held after each revision. */
async function history(
  store: Awaited<ReturnType<typeof openSqliteStore>>,
  from: number,
): Promise<ReadonlyMap<number, Readonly<Record<string, string>>>> {
  const states = new Map<number, Readonly<Record<string, string>>>();
  const stop = new AbortController();
  // Nothing is written any more, so the last revision is where the history ends.
  const first = (from - 1) as typeof store.revision;
  for await (const change of store.watch('/registry/core/configmaps/', first, stop.signal)) {
    assert.equal(change.type, 'put');
    states.set(change.entry.modified, (JSON.parse(change.entry.value) as ConfigMap).data ?? {});
    if (change.entry.modified === store.revision) break;
  }
  return states;
}

/** Who states what it expects is told where that is no longer so; nobody else ever is. */
function checkStatuses(operations: readonly Operation[]): number {
  const due: Readonly<Record<Way, readonly number[]>> = {
    read: [200],
    // Made again on what others wrote meanwhile, a few times as in Kubernetes; then its sender is told.
    apply: [200, 409],
    'merge-patch': [200, 409],
    'json-patch': [200, 409, 422],
    update: [200, 409],
    'strict merge-patch': [200, 409],
  };
  for (const { way, status } of operations)
    assert.ok(due[way].includes(status), `${way} ${status}`);
  return operations.filter(({ status }) => status >= 400).length;
}

/** Each is exactly one step of the history, and does to the state before it what was asked. */
function checkWrites(
  operations: readonly Operation[],
  states: ReadonlyMap<number, Readonly<Record<string, string>>>,
): number {
  const revisions = [...states.keys()];
  const before = new Map(revisions.slice(1).map((revision, at) => [revision, revisions[at] ?? 0]));
  const writerOf = new Map<number, string>();
  let written = 0;
  for (const { way, writer, value, object } of operations) {
    if (!object) continue;
    const revision = Number(object.metadata.resourceVersion);
    const state = states.get(revision);
    assert.deepEqual(object.data, state, `${way}: told another state than that of ${revision}`);
    if (way === 'read') continue;
    const key = way === 'apply' || way === 'merge-patch' ? writer : 'counter';
    assert.equal(state?.[key], value, `${way}: its own write is not in the state it was told`);
    const previous = states.get(before.get(revision) ?? 0) ?? {};
    // Who writes what is there already is told the state it is in.
    const isUnchanged = writerOf.get(revision) !== undefined || previous[key] === value;
    if (isUnchanged && key !== 'counter') continue;
    assert.equal(writerOf.get(revision), undefined, `${revision} is told to two writers`);
    writerOf.set(revision, writer);
    written += 1;
    assert.deepEqual({ ...previous, [key]: value }, state, `${way}: more changed than was asked`);
    if (key === 'counter')
      assert.equal(Number(previous['counter']) + 1, Number(value), 'a lost update');
  }
  assert.equal(written, states.size - 1, 'as many writes as acknowledged, and no others');
  return written;
}

/** Whatever was acknowledged before an operation began is behind it. */
function checkRealTime(operations: readonly Operation[]): void {
  const revisionOf = ({ object }: Operation): number => Number(object?.metadata.resourceVersion);
  const told = operations.filter(({ object }) => object !== undefined);
  const byEnd = told.toSorted((a, b) => a.ended - b.ended);
  let [at, newest] = [0, 0];
  for (const operation of told.toSorted((a, b) => a.began - b.began)) {
    for (; (byEnd[at]?.ended ?? Infinity) < operation.began; at += 1) {
      newest = Math.max(newest, revisionOf(byEnd[at] ?? operation));
    }
    assert.ok(
      revisionOf(operation) >= newest,
      `${operation.way} sees less than what was told before`,
    );
  }
}
