import assert from 'node:assert/strict';
import { FakeClock } from '#base/fake-clock.ts';
import { bodyText, type HttpReply, type HttpRequest } from '#base/http-message.ts';
import { silentLog } from '#base/log.ts';
import { seededRandom } from '#base/random.ts';
import { coreKinds, servingKinds, viewKinds } from '#api/kinds.ts';
import { createApiServer, type ApiServer, type ApiServerOptions } from '#apiserver/api-server.ts';
import { platformUser, type User } from '#apiserver/user.ts';
import { openMemoryStore } from '#store/memory/memory-store.ts';
import type { Store } from '#store/store.ts';

export interface WireOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Who asks, where the server is in this process. */
  readonly user?: User;
  /** Ends a watch that waits. */
  readonly signal?: AbortSignal;
}

/** What came back; JSON is parsed (to `unknown`, so tests read it through `at`), other text is text. */
export interface WireReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** Requests as they are on the wire: objects are sent as JSON, strings as they are. */
export interface WireClient {
  readonly send: (
    method: string,
    target: string,
    body?: unknown,
    options?: WireOptions,
  ) => Promise<WireReply>;
  /** The events of a watch as they come; leave the loop to end it. */
  readonly watch: (
    target: string,
    options?: WireOptions,
  ) => AsyncGenerator<WatchEvent, void, undefined>;
}

export interface Wire extends WireClient, AsyncDisposable {
  readonly server: ApiServer;
  readonly store: Store;
  readonly clock: FakeClock;
}

export interface WatchEvent {
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
  const client = wireClient((request, { user = platformUser }) =>
    served.handle({ ...request, user }),
  );
  const wire: Wire = {
    ...client,
    server: served,
    store,
    clock,
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
  await wire.send('POST', '/api/v1/namespaces', { metadata: { name: 'default' } });
  return wire;
}

/** A client of whatever `carry` leads to. */
export function wireClient(
  carry: (request: HttpRequest, options: WireOptions) => Promise<HttpReply>,
): WireClient {
  const request = (method: string, target: string, signal: AbortSignal, body?: unknown) => {
    const headers = { 'content-type': 'application/json' };
    const text = body === undefined ? {} : { body: textOf(body) };
    return { method, target, headers, signal, ...text };
  };
  return {
    async send(method, target, body, options = {}) {
      const { signal } = new AbortController();
      const asked = request(method, target, signal, body);
      const headers = { ...asked.headers, ...options.headers };
      const reply = await carry({ ...asked, headers }, options);
      const text = await bodyText(reply.body);
      const isJson = /json/.test(reply.headers['content-type'] ?? '') && text !== '';
      const { status } = reply;
      return {
        status,
        headers: reply.headers,
        body: isJson ? (JSON.parse(text) as unknown) : text,
      };
    },
    async *watch(target, options = {}) {
      const gone = new AbortController();
      const signal = AbortSignal.any([gone.signal, ...(options.signal ? [options.signal] : [])]);
      const asked = request('GET', target, signal);
      const headers = { ...asked.headers, ...options.headers };
      const { status, body } = await carry({ ...asked, headers }, options);
      if (status !== 200 || typeof body === 'string' || body instanceof Uint8Array) {
        assert.fail(`the watch was refused: ${await bodyText(body)}`);
      }
      try {
        for await (const line of linesOf(body)) yield JSON.parse(line) as WatchEvent;
      } catch (error) {
        if (!options.signal?.aborted) throw error;
      } finally {
        gone.abort();
      }
    },
  };
}

/** Chunks need not end where lines do. */
async function* linesOf(
  chunks: AsyncIterable<string | Uint8Array>,
): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    rest += typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true });
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    yield* lines.filter((line) => line !== '');
  }
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

/** The same as text, for names. */
export function textAt(value: unknown, path: string): string {
  return String(at(value, path));
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
