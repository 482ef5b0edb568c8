import assert from 'node:assert/strict';
import { FakeClock } from '#base/fake-clock.ts';
import { bodyText, type HttpReply } from '#base/http-message.ts';
import { silentLog } from '#base/log.ts';
import { seededRandom } from '#base/random.ts';
import { coreKinds, servingKinds, viewKinds } from '#api/kinds.ts';
import { createApiServer, type ApiServer, type ApiServerOptions } from '#apiserver/api-server.ts';
import { platformUser, type User } from '#apiserver/user.ts';
import { openMemoryStore } from '#store/memory/memory-store.ts';
import type { Store } from '#store/store.ts';

interface WireOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly user?: User;
}

/** What came back, its body parsed; `any` of JSON is `unknown` here, so tests read it through `at`. */
export interface WireReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

export interface Wire extends AsyncDisposable {
  readonly server: ApiServer;
  readonly store: Store;
  readonly clock: FakeClock;
  send(method: string, target: string, body?: unknown, options?: WireOptions): Promise<WireReply>;
  /** The events of a watch as they come; leave the loop to end it. */
  watch(target: string, options?: WireOptions): AsyncGenerator<WatchEvent, void, undefined>;
}

interface WatchEvent {
  readonly type: string;
  readonly object: unknown;
}

/** An API server in process over an empty memory store with the namespace `default`, spoken to as a client would. */
export async function startWire(
  options: Partial<ApiServerOptions> & { readonly historyMax?: number } = {},
): Promise<Wire> {
  const { historyMax, ...server } = options;
  const clock = new FakeClock();
  const store = await openMemoryStore(historyMax === undefined ? {} : { historyMax });
  const served = createApiServer({
    store,
    kinds: [...coreKinds, ...viewKinds, ...servingKinds],
    clock,
    random: seededRandom(7),
    log: silentLog,
    ...server,
  });
  return await wireOf(served, { store, clock });
}

/** The same over a server made elsewhere. */
export async function wireOf(
  served: ApiServer,
  { store, clock }: { readonly store: Store; readonly clock: FakeClock },
): Promise<Wire> {
  const call = (
    method: string,
    target: string,
    { body, headers, user, signal }: WireOptions & { body?: unknown; signal: AbortSignal },
  ): Promise<HttpReply> =>
    served.handle({
      method,
      target,
      headers: { 'content-type': 'application/json', ...headers },
      signal,
      user: user ?? platformUser,
      ...(body !== undefined && { body: textOf(body) }),
    });
  const wire: Wire = {
    server: served,
    store,
    clock,
    async send(method, target, body, sent = {}) {
      const { signal } = new AbortController();
      const reply = await call(method, target, { ...sent, body, signal });
      const text = await bodyText(reply.body);
      return { status: reply.status, headers: reply.headers, body: JSON.parse(text) as unknown };
    },
    async *watch(target, sent = {}) {
      const gone = new AbortController();
      const reply = await call('GET', target, { ...sent, signal: gone.signal });
      if (
        reply.status !== 200 ||
        typeof reply.body === 'string' ||
        reply.body instanceof Uint8Array
      ) {
        assert.fail(`the watch was refused: ${await bodyText(reply.body)}`);
      }
      try {
        for await (const line of reply.body) {
          yield JSON.parse(Buffer.from(line).toString('utf8')) as WatchEvent;
        }
      } finally {
        gone.abort();
      }
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
  await wire.send('POST', '/api/v1/namespaces', { metadata: { name: 'default' } });
  return wire;
}

function textOf(body: unknown): string {
  return typeof body === 'string' ? body : JSON.stringify(body);
}

/** The value at a path of an answer, `metadata.labels.app` or `items.0.spec`; undefined where there is none. */
export function at(value: unknown, path: string): unknown {
  let found = value;
  for (const step of path.split('.')) {
    if (typeof found !== 'object' || found === null) return undefined;
    found = (found as Readonly<Record<string, unknown>>)[step];
  }
  return found;
}

/** The next event, which must come. */
export async function nextOf<T>(events: AsyncGenerator<T, void, undefined>): Promise<T> {
  const result = await events.next();
  if (result.done) assert.fail('the watch ended: another event was expected');
  return result.value;
}

export function pod(name: string, changes: Readonly<Record<string, unknown>> = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: { containers: [{ name: 'main', image: 'sample:v1' }] },
    ...changes,
  };
}
