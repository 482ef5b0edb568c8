import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { systemClock } from '#base/clock.ts';
import { bodyText, type HttpReply } from '#base/http-message.ts';
import { seededRandom, type Random } from '#base/random.ts';
import { httpsTransport, type HttpsTransport } from '#client/https-transport.ts';
import { reportFault, scaled, timesText } from '#test/support/fault-report.ts';

/*
 * A write that was answered is there after every kill; one that was not is there whole or not at all, and the watch, which
 * resumes from what it saw last, tells of all of them in order.
 */

const KILLS = scaled(500);
const CLIENTS = 12;
const NAMES_OF_CLIENT = 6;
const SEED = 9;
const MAPS = '/api/v1/namespaces/default/configmaps';
const folder = mkdtempSync(path.join(tmpdir(), 'knode-killed-'));
after(() => rmSync(folder, { recursive: true, force: true }));

interface ConfigMap {
  readonly metadata: { readonly name: string; readonly resourceVersion: string };
  readonly data?: Readonly<Record<string, string>>;
}

test(`kill -9 of the API server, ${KILLS} times: no answered write is lost, and no watch has a gap`, async () => {
  const random = seededRandom(SEED);
  const world = new World(random);
  const startsMs: number[] = [];
  {
    await using server = await startServer();
    await send(server, 'POST', '/api/v1/namespaces', { metadata: { name: 'default' } });
  }
  for (let kill = 1; kill <= KILLS; kill += 1) {
    const startMs = performance.now();
    if (kill % 6 === 0) {
      // While it starts: any moment of the time it took before.
      await killedStart(random.fraction() * (startsMs.at(-1) ?? 0));
      continue;
    }
    await using server = await startServer();
    startsMs.push(performance.now() - startMs);
    await world.live(server, 1 + Math.floor(random.fraction() ** 2 * 300));
  }
  await using server = await startServer();
  await world.check(server);
  reportFault({
    id: 'kill -9',
    what: `the API server on disk, ${CLIENTS} clients writing and one watching`,
    count: KILLS,
    found: `${world.answered} writes answered, 0 lost; ${world.inDoubt} in doubt, ${world.happened} of them had happened; ${world.told} events without a gap; start ${timesText(startsMs)}`,
  });
  assert.ok(world.answered > 10 * KILLS, 'enough writes to prove anything');
});

interface Server extends AsyncDisposable {
  readonly transport: HttpsTransport;
  kill(): void;
}

function spawnServer(): ChildProcess {
  const program = fileURLToPath(new URL('./api-process.ts', import.meta.url));
  return spawn(process.execPath, [program, folder], { stdio: ['ignore', 'pipe', 'pipe'] });
}

async function startServer(): Promise<Server> {
  const child = spawnServer();
  const exited = once(child, 'exit');
  assert.ok(child.stdout && child.stderr);
  const complaint = text(child.stderr);
  const lines = createInterface({ input: child.stdout });
  const [line] = await Promise.race([once(lines, 'line') as Promise<[string]>, exited]);
  if (typeof line !== 'string') assert.fail(`the server ended at its start: ${await complaint}`);
  const transport = httpsTransport({ server: line, isInsecure: true, token: () => 'the-token' });
  return {
    transport,
    kill: () => void child.kill('SIGKILL'),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exited;
      await transport[Symbol.asyncDispose]();
    },
  };
}

async function killedStart(afterMs: number): Promise<void> {
  const child = spawnServer();
  const exited = once(child, 'exit');
  using _timer = systemClock.after(afterMs, () => child.kill('SIGKILL'));
  await exited;
}

/** What an object holds: the revision of its last write and its value; undefined where it is not there. */
type State = { readonly version: number; readonly value: string } | undefined;

/** Of one object: what was answered last, and what was asked since without an answer. */
interface Known {
  state: State;
  /** The value it may have by now; `gone` for a deletion. */
  doubt: string | undefined;
}

const GONE = 'gone';

/** What the clients know, from one life of the server to the next. */
class World {
  answered = 0;
  inDoubt = 0;
  happened = 0;
  told = 0;
  readonly #random: Random;
  readonly #known = new Map<string, Known>();
  /** By the watch. */
  readonly #seen = new Map<string, State>();
  readonly #versionsSeen = new Set<number>();
  readonly #versionsAnswered: number[] = [];
  #lastSeen = 0;
  #round = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Checks what is there, then writes until so many writes were answered, and kills it. */
  async live(server: Server, writes: number): Promise<void> {
    await this.check(server);
    const stop = new AbortController();
    const watching = this.#follow(server, () => false);
    let left = writes;
    const client = async (index: number): Promise<void> => {
      while (!stop.signal.aborted) {
        const name = `c${index}-${Math.floor(this.#random.fraction() * NAMES_OF_CLIENT)}`;
        if (!(await this.#write(server, name))) return;
        left -= 1;
        if (left > 0) continue;
        stop.abort();
        server.kill();
      }
    };
    await Promise.all(Array.from({ length: CLIENTS }, (_, index) => client(index)));
    await watching;
  }

  /** Everything answered is there; the watch, resumed, comes to the same. */
  async check(server: Server): Promise<void> {
    const reply = await send(server, 'GET', MAPS);
    assert.ok(reply?.status === 200, `list: ${reply?.status}`);
    const { items, metadata } = JSON.parse(reply.body) as {
      items: readonly ConfigMap[];
      metadata: { resourceVersion: string };
    };
    const found = new Map(items.map((item) => [item.metadata.name, stateOf(item)]));
    for (const [name, known] of this.#known) this.#settle(name, known, found.get(name));
    for (const name of found.keys()) assert.ok(this.#known.has(name), `${name} was never written`);
    await this.#resume(server, Number(metadata.resourceVersion));
    const seen = [...this.#seen].filter(([, state]) => state !== undefined);
    assert.deepEqual(new Map(seen), found);
    const missed = this.#versionsAnswered.filter((version) => !this.#versionsSeen.has(version));
    assert.deepEqual(missed, [], 'answered, but not told to the watch');
    this.#versionsAnswered.length = 0;
    this.#versionsSeen.clear();
  }

  #settle(name: string, known: Known, found: State): void {
    const isAnswered =
      found?.version === known.state?.version && found?.value === known.state?.value;
    const isDoubt =
      known.doubt === GONE
        ? found === undefined
        : found !== undefined && found.value === known.doubt;
    assert.ok(
      isAnswered || isDoubt,
      `${name}: found ${JSON.stringify(found)}, answered ${JSON.stringify(known.state)}, asked for ${known.doubt}`,
    );
    if (known.doubt !== undefined) {
      this.inDoubt += 1;
      if (!isAnswered) this.happened += 1;
    }
    known.state = found;
    known.doubt = undefined;
  }

  /** One write of any sort; whether it was answered. */
  async #write(server: Server, name: string): Promise<boolean> {
    const known = this.#known.get(name) ?? { state: undefined, doubt: undefined };
    this.#known.set(name, known);
    this.#round += 1;
    const value = `${this.#round}`;
    const { state } = known;
    const target = `${MAPS}/${name}`;
    const data = { value, filler: 'x'.repeat(Math.floor(this.#random.fraction() * 2_000)) };
    const metadata = { name };
    const way = this.#random.fraction();
    known.doubt = state && way < 0.2 ? GONE : value;
    const reply = !state
      ? await send(server, 'POST', MAPS, { metadata, data })
      : way < 0.2
        ? await send(server, 'DELETE', target)
        : way < 0.6
          ? await send(server, 'PUT', target, { metadata, data })
          : await send(server, 'PATCH', target, { data });
    if (!reply) return false;
    assert.ok(reply.status < 300, `${name}: ${reply.status} ${reply.body}`);
    known.state = known.doubt === GONE ? undefined : stateOf(JSON.parse(reply.body) as ConfigMap);
    known.doubt = undefined;
    this.answered += 1;
    if (known.state) this.#versionsAnswered.push(known.state.version);
    return true;
  }

  /** Until it has been told of everything up to this version. */
  async #resume(server: Server, version: number): Promise<void> {
    // Before the first write there is nothing of these to be told.
    if (this.#known.size === 0) this.#lastSeen = version;
    if (this.#lastSeen >= version) return;
    await this.#follow(server, () => this.#lastSeen >= version);
    assert.ok(this.#lastSeen >= version, 'the watch ended before it had told of all there is');
  }

  async #follow(server: Server, isEnough: () => boolean): Promise<void> {
    const target = `${MAPS}?watch=1&resourceVersion=${this.#lastSeen}`;
    const stop = new AbortController();
    const reply = await attempt(server, { method: 'GET', target, signal: stop.signal });
    if (!reply || typeof reply.body === 'string' || reply.body instanceof Uint8Array) return;
    let rest = '';
    try {
      for await (const chunk of reply.body) {
        rest += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('latin1');
        const lines = rest.split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) this.#take(line);
        if (isEnough()) break;
      }
    } catch (error) {
      // The server was killed; what it had begun to say is not a line, and does not count.
      assert.ok(error instanceof Error);
    }
    stop.abort();
  }

  #take(line: string): void {
    const { type, object } = JSON.parse(line) as { type: string; object: ConfigMap };
    assert.ok(['ADDED', 'MODIFIED', 'DELETED'].includes(type), line);
    const version = Number(object.metadata.resourceVersion);
    assert.ok(version > this.#lastSeen, `${version} was told after ${this.#lastSeen}`);
    this.#lastSeen = version;
    this.#versionsSeen.add(version);
    this.told += 1;
    this.#seen.set(object.metadata.name, type === 'DELETED' ? undefined : stateOf(object));
  }
}

function stateOf({ metadata, data }: ConfigMap): State {
  return { version: Number(metadata.resourceVersion), value: data?.['value'] ?? '' };
}

/** The whole answer; undefined where the server died before it was all there. */
async function send(
  server: Server,
  method: string,
  target: string,
  body?: unknown,
): Promise<{ readonly status: number; readonly body: string } | undefined> {
  const { signal } = new AbortController();
  const content = body === undefined ? {} : { body: JSON.stringify(body) };
  const reply = await attempt(server, { method, target, signal, ...content });
  if (!reply) return undefined;
  try {
    return { status: reply.status, body: await bodyText(reply.body) };
  } catch (error) {
    assert.ok(error instanceof Error);
    return undefined;
  }
}

async function attempt(
  server: Server,
  request: {
    readonly method: string;
    readonly target: string;
    readonly signal: AbortSignal;
    readonly body?: string;
  },
): Promise<HttpReply | undefined> {
  const type = request.method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
  try {
    return await server.transport.send({ ...request, headers: { 'content-type': type } });
  } catch (error) {
    assert.ok(error instanceof Error);
    return undefined;
  }
}
