import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { test } from 'node:test';
import { FakeClock } from '#base/fake-clock.ts';
import { bodyText } from '#base/http-message.ts';
import { httpsTransport, type HttpsTransport } from '#client/https-transport.ts';
import { openMemoryStore } from '#store/memory/memory-store.ts';
import type { Store } from '#store/store.ts';
import { reportFault, scaled, timesText } from '#test/support/fault-report.ts';
import { megabytes, settledMemory } from '#test/support/memory.ts';
import { serveCluster, type Served } from '#test/support/served.ts';
import { at } from '#test/support/wire.ts';

const WATCHERS = 1_000;
const SESSIONS = 8;
const WRITES = scaled(1_000);
const LARGE = 'x'.repeat(1_000_000);
/** Three times what a watch and the history may hold together. */
const LARGE_WRITES = 300;
const GROWTH_BYTES_MAX = 200 * 1024 ** 2;
const MAPS = '/api/v1/namespaces/default/configmaps';
const SLOW = '/api/v1/namespaces/slow/configmaps';

/** What one watcher asks for, and which writes it must be told of. */
interface Asking {
  readonly target: string;
  readonly sees: (write: Write) => boolean;
}

interface Write {
  readonly version: number;
  readonly team: string;
}

const askings: readonly Asking[] = [
  { target: MAPS, sees: () => true },
  { target: '/api/v1/configmaps?labelSelector=team', sees: () => true },
  { target: `${MAPS}?labelSelector=team%3Da`, sees: ({ team }) => team === 'a' },
  { target: `${MAPS}?labelSelector=team%21%3Da`, sees: ({ team }) => team !== 'a' },
  { target: '/api/v1/namespaces/other/configmaps', sees: () => false },
];

test(`F33: ${WATCHERS} watchers miss nothing, whoever reads slowly beside them`, async () => {
  const clock = new FakeClock();
  const store = await openMemoryStore({ historyMax: 100_000 });
  await using served = await serveCluster({ clock, server: { store, clock } });
  await using cluster = new Writer(served);
  for (const name of ['default', 'other', 'slow']) await cluster.makeNamespace(name);
  await using crowd = await Crowd.open(served);
  const from = store.revision;
  const watchers = await crowd.watch(from);
  const slow = await SlowReader.open(served, `${SLOW}?watch=1&resourceVersion=${from}`);
  const before = settledMemory();

  const first = await cluster.write(WRITES / 2);
  await crowd.caughtUp(watchers, first);
  // The slow one has read nothing; what it did not read is bounded, and so is the history.
  await cluster.writeLarge(LARGE_WRITES);
  const growth = settledMemory() - before;
  clock.advance(30_000);
  await slow.isDropped();
  const second = await cluster.write(WRITES / 2);
  const writes = [...first, ...second];
  await crowd.caughtUp(watchers, writes);
  for (const watcher of watchers) watcher.check(writes);
  await bookmarksCome(watchers, { clock, store });

  const expired = await resumeAfterCompaction(crowd, { store, from, cluster });
  const told = watchers.reduce((sum, { versions }) => sum + versions.length, 0);
  reportFault({
    id: 'F33',
    what: `${WATCHERS} watchers by HTTP, ${writes.length} writes and ${LARGE_WRITES} of a megabyte, one that reads nothing`,
    count: told,
    found: `no gap, no reorder; the slow one dropped; ${expired} of what was compacted told 410; from the last write to the last watcher ${timesText(crowd.timesMs)}; memory ${megabytes(growth)}`,
  });
  assert.ok(growth <= GROWTH_BYTES_MAX, `memory grew by ${megabytes(growth)}`);
});

/** Each that asked for bookmarks is told how far it is, behind all that came before; the others are told nothing. */
async function bookmarksCome(
  watchers: readonly Watcher[],
  { clock, store }: { readonly clock: FakeClock; readonly store: Store },
): Promise<void> {
  clock.advance(60_000);
  for (const watcher of watchers) {
    if (!watcher.hasBookmarks) continue;
    await watcher.until(() => watcher.bookmarks.length > 0);
    assert.equal(watcher.bookmarks.at(-1), store.revision);
  }
  const others = watchers.filter(({ hasBookmarks }) => !hasBookmarks);
  assert.ok(others.length > 0 && others.every(({ bookmarks }) => bookmarks.length === 0));
}

/** What begins in the forgotten history is told so and ends; what begins behind it misses nothing. */
async function resumeAfterCompaction(
  crowd: Crowd,
  {
    store,
    from,
    cluster,
  }: { readonly store: Store; readonly from: number; readonly cluster: Writer },
): Promise<number> {
  await store.compact(store.revision);
  const stale = await crowd.watch(from);
  for (const watcher of stale) {
    await watcher.ended;
    assert.deepEqual(watcher.versions, []);
    assert.equal(watcher.errors.join(), '410 Expired');
  }
  const fresh = await crowd.watch(store.revision);
  const writes = await cluster.write(2);
  await crowd.caughtUp(fresh, writes);
  for (const watcher of fresh) watcher.check(writes);
  return stale.length;
}

/** The watchers' connections; disposing ends them. */
class Crowd implements AsyncDisposable {
  readonly timesMs: number[] = [];
  readonly #sessions: readonly ClientHttp2Session[];
  readonly #token: string;

  private constructor(served: Served, sessions: readonly ClientHttp2Session[]) {
    this.#sessions = sessions;
    this.#token = served.token;
  }

  static async open(served: Served): Promise<Crowd> {
    const { url, ca } = served;
    const sessions = Array.from({ length: SESSIONS }, () => connect(url, { ca }));
    await Promise.all(sessions.map((session) => once(session, 'connect')));
    return new Crowd(served, sessions);
  }

  /** As many watches as there are watchers, from this version; resolves when the server has begun each. */
  async watch(version: number): Promise<readonly Watcher[]> {
    const watchers = Array.from({ length: WATCHERS }, (_, index) => {
      const asking = askings[index % askings.length] as Asking;
      const session = this.#sessions[index % SESSIONS] as ClientHttp2Session;
      const hasBookmarks = index % 3 === 0;
      const separator = asking.target.includes('?') ? '&' : '?';
      const query = `watch=1&resourceVersion=${version}&allowWatchBookmarks=${hasBookmarks}`;
      const stream = session.request({
        ':path': `${asking.target}${separator}${query}`,
        authorization: `Bearer ${this.#token}`,
      });
      return new Watcher(stream, asking, hasBookmarks);
    });
    await Promise.all(watchers.map(({ begun }) => begun));
    return watchers;
  }

  /** Resolves when each has been told of the last write that it sees. */
  async caughtUp(watchers: readonly Watcher[], writes: readonly Write[]): Promise<void> {
    const startMs = performance.now();
    for (const watcher of watchers) {
      const last = writes.findLast(watcher.asking.sees)?.version;
      if (last !== undefined) await watcher.until(() => watcher.versions.at(-1) === last);
    }
    this.timesMs.push(performance.now() - startMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of this.#sessions) session.destroy();
  }
}

class Watcher {
  readonly asking: Asking;
  readonly hasBookmarks: boolean;
  readonly versions: number[] = [];
  readonly bookmarks: number[] = [];
  readonly errors: string[] = [];
  readonly begun: Promise<unknown>;
  readonly ended: Promise<unknown>;
  #rest = '';
  #wake: (() => void) | undefined;

  constructor(stream: ClientHttp2Stream, asking: Asking, hasBookmarks: boolean) {
    this.asking = asking;
    this.hasBookmarks = hasBookmarks;
    this.begun = once(stream, 'response');
    this.ended = once(stream, 'end');
    // Of a session that is destroyed at the end.
    stream.on('error', () => undefined);
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => this.#take(chunk));
  }

  /** Resolves when the condition holds; it is asked again after each event. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
  }

  /** Throws where it was told of anything but these writes, in their order. */
  check(writes: readonly Write[]): void {
    const wanted = writes.filter(this.asking.sees).map(({ version }) => version);
    const found = this.versions.slice(0, wanted.length);
    assert.deepEqual(found, wanted, this.asking.target);
    assert.deepEqual(this.errors, []);
  }

  #take(chunk: string): void {
    const lines = (this.#rest + chunk).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#read(line);
    this.#wake?.();
  }

  #read(line: string): void {
    // Not parsed: a million of them come here.
    const type = /^\{"type":"(?<type>[A-Z]+)"/.exec(line)?.groups?.['type'];
    const version = Number(/"resourceVersion":"(?<version>\d+)"/.exec(line)?.groups?.['version']);
    if (type === 'ERROR') {
      const { object } = JSON.parse(line) as { object: { code: number; reason: string } };
      this.errors.push(`${object.code} ${object.reason}`);
    } else if (type === 'BOOKMARK') this.bookmarks.push(version);
    else this.versions.push(version);
  }
}

/** Asks for a watch, and reads nothing of it but the head. */
class SlowReader {
  readonly #socket: TLSSocket;
  readonly #closed: Promise<unknown>;

  private constructor(socket: TLSSocket) {
    this.#socket = socket;
    this.#closed = once(socket, 'close');
  }

  static async open(served: Served, target: string): Promise<SlowReader> {
    const { port } = new URL(served.url);
    const socket = connectTls({ host: '127.0.0.1', port: Number(port), ca: served.ca });
    await once(socket, 'secureConnect');
    const reader = new SlowReader(socket);
    const head = [`GET ${target} HTTP/1.1`, 'Host: x', `Authorization: Bearer ${served.token}`];
    socket.write(`${head.join('\r\n')}\r\n\r\n`);
    await once(socket, 'readable');
    return reader;
  }

  /** Resolves when the server has ended it, however much was under way. */
  async isDropped(): Promise<void> {
    let bytes = 0;
    this.#socket.on('data', (chunk: Buffer) => (bytes += chunk.length));
    this.#socket.on('error', () => undefined);
    await this.#closed;
    assert.ok(bytes < LARGE_WRITES * LARGE.length, `it was sent all ${bytes} bytes`);
  }
}

/** Writes one after the other, and knows in which order. */
class Writer implements AsyncDisposable {
  readonly #transport: HttpsTransport;
  #count = 0;

  constructor({ url, ca, token }: Served) {
    this.#transport = httpsTransport({ server: url, ca, token: () => token });
  }

  async makeNamespace(name: string): Promise<void> {
    await this.#send('POST', '/api/v1/namespaces', { metadata: { name } });
  }

  async write(count: number): Promise<readonly Write[]> {
    const writes: Write[] = [];
    for (let left = count; left > 0; left -= 1) {
      this.#count += 1;
      const team = this.#count % 3 === 0 ? 'a' : 'b';
      const metadata = { name: `map-${this.#count}`, labels: { team } };
      writes.push({ team, version: await this.#send('POST', MAPS, { metadata }) });
    }
    return writes;
  }

  async writeLarge(count: number): Promise<void> {
    await this.#send('POST', SLOW, { metadata: { name: 'large' } });
    for (let left = count; left > 0; left -= 1) {
      const map = { metadata: { name: 'large' }, data: { large: LARGE, left: `${left}` } };
      await this.#send('PUT', `${SLOW}/large`, map);
    }
  }

  async #send(method: string, target: string, body: unknown): Promise<number> {
    const reply = await this.#transport.send({
      method,
      target,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(60_000),
    });
    const text = await bodyText(reply.body);
    assert.ok(reply.status < 300, text.slice(0, 1_000));
    return Number(at(JSON.parse(text), 'metadata.resourceVersion'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#transport[Symbol.asyncDispose]();
  }
}
