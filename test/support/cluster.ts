import { sleep, systemClock, type Clock } from '#base/clock.ts';
import { FakeClock } from '#base/fake-clock.ts';
import { jsonLog, silentLog, type Log } from '#base/log.ts';
import { seededRandom } from '#base/random.ts';
import type { Kind } from '#api/kind.ts';
import { Namespace } from '#api/core-v1/namespace.ts';
import type { ApiError } from '#api/meta/api-error.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import type { AdmissionStep } from '#apiserver/admission/admit.ts';
import { CustomResources } from '#apiserver/custom-resources/custom-resources.ts';
import { fixedKinds, type ServedKinds } from '#api/served-kinds.ts';
import { metricsRoutes, type MetricsReader } from '#apiserver/metrics/metrics-routes.ts';
import { createApiServer, type ApiServerOptions } from '#apiserver/api-server.ts';
import { platformUser, type User } from '#apiserver/user.ts';
import type { Client } from '#client/client.ts';
import { createClient } from '#client/create-client.ts';
import type { Informer } from '#client/informer.ts';
import type { Transport } from '#client/transport.ts';
import type { AnyController } from '#reconcile/controller.ts';
import type { LoopStarter } from '#reconcile/loop.ts';
import { runControllers, type RunningControllers } from '#reconcile/run-controllers.ts';
import { openMemoryStore } from '#store/memory/memory-store.ts';
import type { Store } from '#store/store.ts';
import { coreKinds, viewKinds } from '#api/kinds.ts';

export interface ClusterOptions {
  readonly controllers?: readonly AnyController[];
  readonly loops?: readonly LoopStarter[];
  /** Controllers and loops of all kinds there are, custom resources included. */
  readonly extensible?: (kinds: ServedKinds) => {
    readonly controllers: readonly AnyController[];
    readonly loops: readonly LoopStarter[];
  };
  /** Beside the core kinds. */
  readonly kinds?: readonly Kind[];
  /** The time of the server and the controllers; a FakeClock unless told. */
  readonly clock?: Clock;
  /** Namespaces made before the controllers start; `default` unless told. */
  readonly namespaces?: readonly string[];
  /** What the server takes besides: name generator, service ranges, admission, connections. */
  readonly server?: Partial<ApiServerOptions>;
  /** What is used, where anybody asks. */
  readonly metrics?: MetricsReader;
  /** What admission does besides. */
  readonly admission?: (store: Store, kinds: ServedKinds) => readonly AdmissionStep[];
  /** Writes that admission refuses, and with what. */
  readonly refuse?: (object: KubeObject) => ApiError | undefined;
  /** Deletions that it refuses. */
  readonly refuseDeletion?: (object: KubeObject) => ApiError | undefined;
  /** Prints what the platform logs: for looking into a failing test. */
  readonly isLoud?: boolean;
}

export interface Cluster extends AsyncDisposable {
  readonly client: Client;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly running: RunningControllers;
  /** A client that acts as somebody else. */
  clientOf(user: User): Client;
  /**
   * Resolves when nothing is left to do but to wait for time: all changes seen, all queues idle, and what failed tried
   * again so often that only a change of the world would help.
   */
  settled(): Promise<void>;
  /** Settles, reconciles every object again, and throws where that wrote anything. */
  steady(): Promise<void>;
  /** Moves the fake clock and settles. */
  advance(deltaMs: number): Promise<void>;
}

/** A failing key is tried again at 5, 10, … 640 ms while a cluster settles: a lost race is over by then. */
const FAILURES_MAX = 8;

/** More rounds than this without coming to rest: two controllers undo each other's work. */
const ROUNDS_MAX = 200;

/** The API server on a store in memory, with controllers, all in this process. */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const clock = options.clock ?? new FakeClock();
  const random = seededRandom(1);
  const log = options.isLoud ? loudLog(clock) : silentLog;
  const store = await openMemoryStore();
  const builtIn = [...coreKinds, ...viewKinds, ...(options.kinds ?? [])];
  const stop = new AbortController();
  const { signal } = stop;
  const kinds = options.extensible
    ? await CustomResources.open({ store, builtIn, clock, log, signal })
    : fixedKinds(builtIn);
  const all = options.extensible?.(kinds);
  const steps = options.admission?.(store, kinds) ?? [];
  const { refuse, refuseDeletion } = options;
  const admission = refuse || refuseDeletion ? [...steps, refusal(options)] : steps;
  const deps = { store, kinds, clock, random, log, admission };
  const routes = options.metrics ? metricsRoutes(options.metrics, clock) : [];
  const server = createApiServer({ ...deps, routes, ...options.server });
  const clientOf = (user: User): Client => createClient(transportAs(server, user));
  const client = clientOf(platformUser);
  const writes: string[] = [];
  for (const name of options.namespaces ?? ['default']) {
    await client.create(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  }
  const running = await runControllers({
    client: createClient((request) => {
      if (request.method !== 'GET') writes.push(`${request.method} ${request.target}`);
      return server.handle({ ...request, user: platformUser });
    }),
    controllers: [...(options.controllers ?? []), ...(all?.controllers ?? [])],
    loops: [...(options.loops ?? []), ...(all?.loops ?? [])],
    clock,
    random,
    log,
    signal,
  });
  const settled = (): Promise<void> => settle({ client, store, clock, running });
  return {
    client,
    store,
    clock,
    log,
    running,
    clientOf,
    settled,
    async steady() {
      await settled();
      const before = store.revision;
      writes.length = 0;
      running.enqueueAll();
      await settled();
      if (store.revision !== before) throw new Error(await unsteady(store, before));
      if (writes.length > 0) throw new Error(`unsteady: asked to write ${writes.join(', ')}`);
    },
    async advance(deltaMs) {
      if (!(clock instanceof FakeClock)) throw new Error('advance: the clock is not a FakeClock');
      clock.advance(deltaMs);
      await settled();
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    },
  };
}

function transportAs(server: ReturnType<typeof createApiServer>, user: User): Transport {
  return (request) => server.handle({ ...request, user });
}

function refusal({
  refuse,
  refuseDeletion,
}: Pick<ClusterOptions, 'refuse' | 'refuseDeletion'>): AdmissionStep {
  return {
    handles: () => true,
    admit(object) {
      const error = refuse?.(object);
      return error ? Promise.reject(error) : Promise.resolve(undefined);
    },
    async check(_object, { operation, previous }) {
      const error = operation === 'DELETE' && previous ? refuseDeletion?.(previous) : undefined;
      if (error) throw error;
    },
  };
}

type Parts = Pick<Cluster, 'client' | 'store' | 'clock' | 'running'>;

async function settle(parts: Parts): Promise<void> {
  const { store, clock, running } = parts;
  for (let round = 1; round <= ROUNDS_MAX; round += 1) {
    const before = store.revision;
    await everybodyCaughtUp(parts);
    await running.idle();
    if (store.revision !== before) continue;
    const retry = running
      .retries()
      .find(({ failures, isAdded }) => failures < FAILURES_MAX || isAdded);
    if (!retry) return;
    const waitMs = Math.max(0, retry.dueMs - clock.monotonicMs());
    if (clock instanceof FakeClock) clock.advance(waitMs);
    else await sleep(clock, waitMs);
  }
  throw new Error(`settled: the cluster did not come to rest in ${ROUNDS_MAX} rounds`);
}

async function everybodyCaughtUp(parts: Parts): Promise<void> {
  const { clock, running } = parts;
  const { promise: late, resolve } = Promise.withResolvers<'late'>();
  using _timer = systemClock.after(LATE_MS, () => resolve('late'));
  const caught = Promise.all(running.informers.all().map((informer) => caughtUp(parts, informer)));
  if (!(clock instanceof FakeClock)) {
    await caught;
    return;
  }
  // A watch that ended with its time is resumed after a pause, on a clock that stands still.
  if ((await Promise.race([caught, late])) === 'late') clock.advance(LATE_MS);
}

const LATE_MS = 100;

/** What an informer may be behind before the look is taken anew. */
const CATCH_UP_MS = 10_000;

/** Resolves when memory holds what the server does, or the server holds something else again. */
async function caughtUp({ client, store }: Parts, informer: Informer<KubeObject>): Promise<void> {
  const { items } = await client.list(informer.kind);
  const at = store.revision;
  await informer.until(() => {
    if (store.revision !== at) return true;
    const known = informer.list();
    const versions = new Set(known.map((object) => versionOf(object)));
    return known.length === items.length && items.every((item) => versions.has(versionOf(item)));
  }, CATCH_UP_MS);
}

function versionOf({ metadata }: KubeObject): string {
  return `${metadata.uid} ${metadata.resourceVersion}`;
}

async function unsteady(store: Store, before: Store['revision']): Promise<string> {
  const changed: string[] = [];
  const signal = AbortSignal.timeout(1_000);
  for await (const change of store.watch('', before, signal)) {
    changed.push(`${change.type} ${change.entry.key}: ${change.entry.value}`);
    const at = change.type === 'delete' ? change.at : change.entry.modified;
    if (at >= store.revision) break;
  }
  return `steady: reconciling again wrote\n${changed.join('\n')}`;
}

function loudLog(clock: Clock): Log {
  return jsonLog((line) => process.stderr.write(line), clock);
}
