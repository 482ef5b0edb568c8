import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { FakeClock } from '#base/fake-clock.ts';
import { bodyText } from '#base/http-message.ts';
import { seededRandom } from '#base/random.ts';
import { httpsTransport, type HttpsTransport } from '#client/https-transport.ts';
import { openSqliteStore } from '#store/sqlite/sqlite-store.ts';
import type { Store } from '#store/store.ts';
import { reportFault, scaled } from '#test/support/fault-report.ts';
import { SmallDisk } from '#test/support/small-disk.ts';
import { serveCluster } from '#test/support/served.ts';
import { at } from '#test/support/wire.ts';

/*
 * Needs root, for a file system of its own. Room is taken away at random, so the disk is full at appends, at checkpoints of
 * the WAL, at compactions and at starts.
 */

const ROUNDS = scaled(200);
const DISK_BYTES = 48 * 1024 ** 2;
const ROOM_BYTES_MAX = 3 * 1024 ** 2;
const KEYS = 40;
const SEED = 5;
const MAPS = '/api/v1/namespaces/default/configmaps';
/** Short, so that compaction gives back what updates take. */
const HISTORY_MAX = 30;
/** After a failure the store lets this pass before it tries the disk again. */
const RETRY_MS = 1_000;

test(`a full disk, ${ROUNDS} times: writes are refused with the reason, reads and watches go on, nothing is lost`, async () => {
  await using disk = await SmallDisk.mount(DISK_BYTES);
  const random = seededRandom(SEED);
  const known = new Map<string, Known>();
  const counts = { answered: 0, refused: 0, starts: 0, refusedStarts: 0 };
  let server = await Server.start(disk);
  await server.send('POST', '/api/v1/namespaces', { metadata: { name: 'default' } });
  try {
    for (let round = 0; round < ROUNDS; round += 1) {
      disk.leave(Math.floor(random.fraction() * ROOM_BYTES_MAX));
      await writeUntilRefused(server, { known, random, counts });
      await check(server, known);
      if (round % 4 === 3) {
        await server[Symbol.asyncDispose]();
        server = await startWhileFull(disk, counts);
        await check(server, known);
      }
      disk.leave(DISK_BYTES);
      server.clock.advance(RETRY_MS);
      // Without a restart: the next write finds that there is room again.
      counts.answered += await write(server, { known, name: 'again', value: `${round}` });
      await check(server, known);
    }
    await server[Symbol.asyncDispose]();
    server = await Server.start(disk);
    await check(server, known);
  } finally {
    await server[Symbol.asyncDispose]();
  }
  const { answered, refused, starts, refusedStarts } = counts;
  reportFault({
    id: 'disk full',
    what: `the API on a disk of ${DISK_BYTES / 1024 ** 2} MiB that gets full and has room again`,
    count: ROUNDS,
    found: `${answered} writes answered, 0 lost; ${refused} refused with 503; ${starts} starts on the full disk, ${refusedStarts} refused in a sentence`,
  });
  assert.ok(refused >= ROUNDS && answered > ROUNDS, 'enough of both to prove anything');
});

interface Known {
  /** Of the last write that was answered. */
  value: string;
  /** Of those since that were refused: a refused one may yet happen, as after a broken connection. */
  doubts: string[];
}

/** The API over a store on the disk, one client, and one watch from the beginning. */
class Server implements AsyncDisposable {
  readonly clock: FakeClock;
  readonly #stop = new AbortController();
  readonly #told = new Set<number>();
  readonly began: number;
  readonly #watching: Promise<void>;
  #wake: (() => void) | undefined;
  readonly #transport: HttpsTransport;
  readonly #owned: AsyncDisposableStack;

  private constructor(
    owned: AsyncDisposableStack,
    parts: { clock: FakeClock; store: Store; transport: HttpsTransport },
  ) {
    this.clock = parts.clock;
    this.#transport = parts.transport;
    this.#owned = owned;
    this.began = parts.store.revision;
    this.#watching = this.#watch();
  }

  /** Throws what opening the store throws. */
  static async start(disk: SmallDisk): Promise<Server> {
    const clock = new FakeClock();
    const folder = path.join(disk.folder, 'store');
    const store = await openSqliteStore({ folder, historyMax: HISTORY_MAX, clock });
    await using owned = new AsyncDisposableStack();
    const { url, ca, token } = owned.use(await serveCluster({ server: { store } }));
    const transport = owned.use(httpsTransport({ server: url, ca, token: () => token }));
    return new Server(owned.move(), { clock, store, transport });
  }

  async send(
    method: string,
    target: string,
    body?: unknown,
  ): Promise<{ readonly status: number; readonly body: unknown; readonly retryAfter?: string }> {
    const reply = await this.#transport.send({
      method,
      target,
      headers: { 'content-type': 'application/json' },
      signal: AbortSignal.timeout(30_000),
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const retryAfter = reply.headers['retry-after'];
    return {
      status: reply.status,
      body: JSON.parse(await bodyText(reply.body)) as unknown,
      ...(retryAfter !== undefined && { retryAfter }),
    };
  }

  /** Resolves when the watch that began with this server has told of what was written up to this version. */
  async told(version: number): Promise<ReadonlySet<number>> {
    while (Math.max(this.began, ...this.#told) < version) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
    return this.#told;
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stop;
    const target = `${MAPS}?watch=1&resourceVersion=${this.began}`;
    const request = { method: 'GET', target, headers: {}, signal };
    const { body } = await this.#transport.send(request);
    assert.ok(typeof body !== 'string' && !(body instanceof Uint8Array));
    let rest = '';
    try {
      for await (const chunk of body) {
        rest += Buffer.from(chunk as Uint8Array).toString();
        const lines = rest.split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) {
          this.#told.add(Number(at(JSON.parse(line), 'object.metadata.resourceVersion')));
        }
        this.#wake?.();
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#watching;
    await this.#owned.disposeAsync();
  }
}

interface Work {
  readonly known: Map<string, Known>;
  readonly random: { fraction(): number };
  readonly counts: { answered: number; refused: number };
}

async function writeUntilRefused(server: Server, { known, random, counts }: Work): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    const name = `map-${Math.floor(random.fraction() * KEYS)}`;
    const value = 'x'.repeat(Math.floor(random.fraction() ** 3 * 400_000)) + attempt;
    const isAnswered = (await write(server, { known, name, value })) === 1;
    if (!isAnswered) break;
    counts.answered += 1;
  }
  counts.refused += 1;
  // At once again: refused without a try of the disk; after a second with one.
  for (const advanceMs of [0, RETRY_MS]) {
    server.clock.advance(advanceMs);
    const isAnswered = await write(server, { known, name: 'again', value: 'y'.repeat(400_000) });
    if (isAnswered === 1) counts.answered += 1;
    else counts.refused += 1;
  }
}

/** Writes one; 1 where it was answered, 0 where it was refused as a full disk has to be. */
async function write(
  server: Server,
  { known, name, value }: { known: Map<string, Known>; name: string; value: string },
): Promise<number> {
  const had = known.get(name);
  const map = { metadata: { name }, data: { value } };
  const isThere = (await server.send('GET', `${MAPS}/${name}`)).status === 200;
  const reply = isThere
    ? await server.send('PUT', `${MAPS}/${name}`, map)
    : await server.send('POST', MAPS, map);
  if (reply.status < 300) {
    known.set(name, { value, doubts: [] });
    return 1;
  }
  assert.equal(reply.status, 503, JSON.stringify(reply.body));
  assert.equal(at(reply.body, 'reason'), 'ServiceUnavailable');
  assert.match(
    String(at(reply.body, 'message')),
    /^Cannot write to the store: .*(full|disk|space)/,
  );
  assert.equal(reply.retryAfter, '1');
  known.set(name, { value: had?.value ?? '', doubts: [...(had?.doubts ?? []), value] });
  return 0;
}

/** All that was answered is there, a list and a watch agree, and what was refused is there whole or not at all. */
async function check(server: Server, known: ReadonlyMap<string, Known>): Promise<void> {
  const { status, body } = await server.send('GET', MAPS);
  assert.equal(status, 200);
  const { items, metadata } = body as {
    readonly items: readonly {
      metadata: { name: string; resourceVersion: string };
      data: object;
    }[];
    readonly metadata: { readonly resourceVersion: string };
  };
  const found = new Map(items.map((item) => [item.metadata.name, at(item, 'data.value')]));
  for (const [name, { value, doubts }] of known) {
    const now = found.get(name) ?? '';
    assert.ok(
      [value, ...doubts].some((each) => each === now),
      `${name} holds another value`,
    );
  }
  const versions = items.map((item) => Number(item.metadata.resourceVersion));
  const told = await server.told(Math.max(0, ...versions));
  const untold = versions.filter((each) => each > server.began && !told.has(each));
  assert.deepEqual(untold, [], `of ${metadata.resourceVersion}`);
}

/** On the full disk it starts, or says why not; with room it does. */
async function startWhileFull(
  disk: SmallDisk,
  counts: { starts: number; refusedStarts: number },
): Promise<Server> {
  disk.leave(0);
  counts.starts += 1;
  try {
    return await Server.start(disk);
  } catch (error) {
    assert.ok(error instanceof Error);
    assert.match(error.message, /^Cannot open the store in .*: .*(full|space)/);
    counts.refusedStarts += 1;
    disk.leave(DISK_BYTES);
    return await Server.start(disk);
  }
}
