import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import { sleep, systemClock } from '#base/clock.ts';
import { at } from '#test/support/wire.ts';
import { made, MAPS, type ApiTarget } from './api-target.ts';

export interface WatchLoad {
  readonly watchers: number;
  /** HTTP/2 connections that they share; kube-apiserver takes a hundred watches on each. */
  readonly sessions: number;
  readonly writes: number;
  readonly everyMs: number;
}

const TOLD_WITHIN_MS = 30_000;
const LINE_END = 0x0a;

/** Milliseconds from a write to each watcher's event of it. Rejects where one is missed. */
export async function watchDelays(target: ApiTarget, load: WatchLoad): Promise<readonly number[]> {
  await using resources = new AsyncDisposableStack();
  const name = `watched-${Math.trunc(performance.now())}`;
  const map = await made(target.client, MAPS, { metadata: { name } });
  const version = String(at(map, 'metadata.resourceVersion'));
  const crowd = new Crowd(load);
  await Promise.all(
    Array.from({ length: load.sessions }, async () => {
      const session = resources.adopt(connect(target.url, { rejectUnauthorized: false }), (it) => {
        it.destroy();
      });
      await once(session, 'connect');
      await crowd.join(session, { version, token: target.token });
    }),
  );
  for (let write = 0; write < load.writes; write += 1) {
    await sleep(systemClock, load.everyMs);
    crowd.writes();
    const data = { text: `${write}-`.padEnd(900, 'x') };
    const reply = await target.client.send('PUT', `${MAPS}/${name}`, { metadata: { name }, data });
    assert.equal(reply.status, 200, JSON.stringify(reply.body));
  }
  await crowd.told();
  return crowd.delaysMs;
}

/** Watchers that count the lines they are sent: the nth is the event of the nth write. */
class Crowd {
  readonly delaysMs: number[] = [];
  readonly #load: WatchLoad;
  readonly #writtenMs: number[] = [];
  readonly #isTold = Promise.withResolvers<void>();

  constructor(load: WatchLoad) {
    this.#load = load;
  }

  async join(
    session: ClientHttp2Session,
    { version, token }: { readonly version: string; readonly token: string },
  ): Promise<void> {
    const watchers = this.#load.watchers / this.#load.sessions;
    // One after the other: kube-apiserver refuses a user who begins hundreds at once.
    for (let count = 0; count < watchers; count += 1) {
      await this.#follow(
        session.request({
          ':path': `${MAPS}?watch=1&resourceVersion=${version}`,
          authorization: `Bearer ${token}`,
        }),
      );
    }
  }

  writes(): void {
    this.#writtenMs.push(performance.now());
  }

  async told(): Promise<void> {
    const missing = (): string =>
      `${this.delaysMs.length} of ${this.#load.watchers * this.#load.writes} events came`;
    const late = systemClock.after(TOLD_WITHIN_MS, () => {
      this.#isTold.reject(new Error(missing()));
    });
    await this.#isTold.promise.finally(() => late[Symbol.dispose]());
  }

  async #follow(stream: ClientHttp2Stream): Promise<void> {
    let seen = 0;
    stream.on('data', (chunk: Buffer) => {
      for (let end = chunk.indexOf(LINE_END); end >= 0; end = chunk.indexOf(LINE_END, end + 1)) {
        this.#event(seen++);
      }
    });
    const [headers] = (await once(stream, 'response', {
      signal: AbortSignal.timeout(TOLD_WITHIN_MS),
    })) as [{ ':status'?: number }];
    assert.equal(headers[':status'], 200);
  }

  #event(write: number): void {
    this.delaysMs.push(performance.now() - (this.#writtenMs[write] ?? Number.NaN));
    if (this.delaysMs.length === this.#load.watchers * this.#load.writes) this.#isTold.resolve();
  }
}
