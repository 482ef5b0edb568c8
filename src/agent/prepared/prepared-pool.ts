import os from 'node:os';
import { backoffMs } from '#base/backoff.ts';
import { onceATurn } from '#base/once-a-turn.ts';
import type { PreparedCounts } from '#base/prepared-counts.ts';
import type { Kind } from '#api/kind.ts';
import { controllerOf, type KubeObject } from '#api/meta/object-meta.ts';
import type { ReplicaSet } from '#api/apps-v1/replica-set.ts';
import type { Service } from '#api/core-v1/service.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import type { Informer } from '#client/informer.ts';
import type { AgentParts } from '#agent/agent-parts.ts';
import type { PodSandbox } from '#agent/pods/pod-sandbox.ts';
import { tokenRenewalSeconds } from '#agent/volumes/config-files.ts';
import type { ConfigWatch } from '#agent/config-watch.ts';
import { WorkQueue, type Result } from '#reconcile/work-queue.ts';
import type { ReservedName, StartingPod, StartTarget } from '#agent/prepared/head-start.ts';
import { isKeptFrozen } from '#agent/prepared/freeze-when-ready.ts';
import { nextPlace } from '#agent/prepared/next-place.ts';
import {
  contender,
  isIdle,
  newClient,
  newEntry,
  templateOf,
  wantedCount,
  type Client,
  type Entry,
} from '#agent/prepared/prepared-client.ts';
import {
  isPreparedAs,
  isStillAdmitted,
  prepareSandbox,
  SERVICES,
  type PreparedSandbox,
} from '#agent/prepared/prepared-sandbox.ts';

export interface PreparedPoolOptions {
  readonly replicaSets: Informer<ReplicaSet>;
  /** Pods are told of those of their namespace. */
  readonly services: Informer<Service>;
  readonly config: Pick<ConfigWatch, 'onChange'>;
  /** Taken over from an earlier process: they run, and have no object yet. */
  readonly started: readonly PodSandbox[];
  /** How many there are at most, those that are being made included and those that have started not. */
  readonly capacity: number;
  readonly signal: AbortSignal;
}

/** Longest between a start, or a name given out, and its Pod object. */
const OBJECT_MS = 30_000;
const RETRY = { firstMs: 10_000, maxMs: 300_000 };
/** What admission reads, and the sandbox itself does not. */
const ADMISSION = /^(ResourceQuota|LimitRange|PriorityClass|\w+WebhookConfiguration)\//;
/** Making one keeps a core busy, and pods that somebody waits for are made by the same. */
const MAKING_MAX = os.availableParallelism();

/**
 * Sandboxes that are made but not started, for ReplicaSets at zero that ask for them by annotation. What is here belongs
 * to no Pod object yet; once one with the reserved uid appears, `take` hands the sandbox over.
 */
export class PreparedPool implements AsyncDisposable {
  readonly #parts: AgentParts;
  readonly #clients = new Map<string, Client>();
  readonly #byUid = new Map<string, Entry>();
  readonly #subscription: Disposable;
  readonly #watch: Disposable;
  readonly #serviceWatch: Disposable;
  readonly #tasks = new Set<Promise<void>>();
  readonly #signal: AbortSignal;
  readonly #stop = new AbortController();
  /** Whose pods admission might refuse now, or make otherwise; one question at a time, however often a quota changes. */
  readonly #doubted: WorkQueue<Client>;
  /** Wherever a place is free or somebody wants one: it looks at all ReplicaSets, so once for many changes. */
  readonly #fill = onceATurn(() => this.#fillNow());
  #making = 0;
  readonly #counters = { used: 0, discarded: 0 };
  readonly #capacity: number;

  constructor(parts: AgentParts, options: PreparedPoolOptions) {
    const { replicaSets, services, config, started, capacity, signal } = options;
    this.#parts = parts;
    this.#capacity = capacity;
    this.#signal = AbortSignal.any([signal, this.#stop.signal]);
    this.#doubted = new WorkQueue({
      clock: parts.clock,
      signal: this.#signal,
      concurrency: 1,
      idOf: ({ replicaSet }) => replicaSet.metadata.uid ?? '',
      work: async (client) => await this.#askAgain(client),
    });
    this.#watch = config.onChange((namespace, dependency) =>
      this.#dependencyChanged(namespace, dependency),
    );
    this.#serviceWatch = services.onChange(({ previous, current }) => {
      const { namespace = '' } = (current ?? previous)?.metadata ?? {};
      this.#dependencyChanged(namespace, SERVICES);
    });
    this.#subscription = replicaSets.onChange(({ previous, current }) => {
      if (previous && previous.metadata.uid !== current?.metadata.uid) this.#forget(previous);
      if (current) this.#observe(current);
    });
    for (const sandbox of started) this.#adopt(sandbox);
  }

  /** Starts up to `count` pods and says which will come, those included that are starting already. */
  start(
    { namespace, deployment, count }: StartTarget,
    onStopped: (pod: string) => void,
  ): readonly StartingPod[] {
    const entries = [...this.#byUid.values()].filter(
      (entry) => entry.deployment === deployment && entry.pod.metadata.namespace === namespace,
    );
    const starting = entries.filter((entry) => entry.isStarted);
    const chosen = entries
      .filter((entry) => !entry.isStarted)
      .slice(0, Math.max(0, count - starting.length));
    for (const entry of chosen) this.#start(entry);
    const coming = [...starting, ...chosen];
    for (const { onStopped: listeners } of coming) listeners.add(onStopped);
    return coming.map(({ pod, sandbox }) => ({
      name: pod.metadata.name ?? '',
      address: sandbox.address,
    }));
  }

  /** For the API server's name generator: the reserved name and uid of a pod that a ReplicaSet is making. */
  reservedName(kind: Kind, object: KubeObject): ReservedName | undefined {
    if (kind.kind !== 'Pod' || kind.group !== '') return undefined;
    const client = this.#clients.get(controllerOf(object)?.uid ?? '');
    // Anybody can say whose pod theirs is; what was prepared holds what pods of its namespace may read.
    if (client?.replicaSet.metadata.namespace !== object.metadata.namespace) return undefined;
    const free = [...(client?.entries ?? [])].filter((entry) => !entry.isNamed);
    const entry = free.find((each) => each.isStarted) ?? free[0];
    if (!entry) return undefined;
    entry.isNamed = true;
    this.#expect(entry);
    const { name = '', uid = '' } = entry.pod.metadata;
    return { name, uid, release: () => this.#unname(entry) };
  }

  counts(): PreparedCounts {
    const entries = [...this.#byUid.values()];
    const starting = entries.filter(({ isStarted }) => isStarted).length;
    const now = { ready: entries.length - starting, making: this.#making, starting };
    return { capacity: this.#capacity, ...now, ...this.#counters };
  }

  /** The sandbox that was prepared for this pod, which from now on is the caller's. */
  async take(pod: Pod): Promise<PodSandbox | undefined> {
    const entry = this.#byUid.get(pod.metadata.uid ?? '');
    if (!entry) return undefined;
    this.#release(entry);
    this.#fill();
    const { name } = pod.metadata;
    try {
      if (isPreparedAs(entry, pod)) {
        await entry.sandbox.thaw();
        await entry.sandbox.bind();
        this.#counters.used += 1;
        return entry.sandbox;
      }
      this.#parts.log.warn('agent: a prepared sandbox did not fit its pod', { pod: name });
    } catch (error) {
      this.#parts.log.error('agent: a prepared sandbox could not be used', { pod: name, error });
    }
    this.#counters.discarded += 1;
    await entry.sandbox.remove().catch((error: unknown) => {
      // The next start sweeps it; the pod gets another.
      this.#parts.log.error('agent: a prepared sandbox could not be removed', { pod: name, error });
    });
    return undefined;
  }

  /** Removes all of them, those included that have started. */
  async discardAll(): Promise<void> {
    this.#stop.abort();
    for (const entry of this.#byUid.values()) this.#discard(entry);
    while (this.#tasks.size > 0) await Promise.all(this.#tasks);
  }

  /** What has started runs on, for the next process to take over. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#subscription[Symbol.dispose]();
    this.#watch[Symbol.dispose]();
    this.#serviceWatch[Symbol.dispose]();
    await this.#doubted[Symbol.asyncDispose]();
    for (const client of this.#clients.values()) client.retry?.[Symbol.dispose]();
    for (const entry of this.#byUid.values()) {
      if (entry.isStarted) this.#release(entry);
      else this.#discard(entry);
    }
    while (this.#tasks.size > 0) await Promise.all(this.#tasks);
  }

  /** A request may be in it: its object comes as soon as whoever scales is told of the load. */
  #adopt(sandbox: PodSandbox): void {
    const { prepared } = sandbox.record;
    const client = this.#clients.get(prepared?.replicaSet ?? '');
    if (!prepared || !client) {
      this.#do(() => sandbox.remove());
      return;
    }
    const entry = this.#add(client, { pod: prepared.pod, sandbox, dependencies: new Set() });
    entry.isStarted = true;
    this.#expect(entry);
  }

  #observe(replicaSet: ReplicaSet): void {
    const { uid = '', deletionTimestamp } = replicaSet.metadata;
    const wanted = wantedCount(replicaSet);
    if (deletionTimestamp || (wanted === 0 && !this.#clients.has(uid))) return;
    const template = templateOf(replicaSet);
    const client = this.#clients.get(uid) ?? newClient(replicaSet, this.#parts.clock.now());
    this.#clients.set(uid, client);
    if (client.template !== template) this.#discardPrepared(client);
    const isAtZero = replicaSet.spec?.replicas === 0;
    if (!isAtZero || client.replicaSet.spec?.replicas !== 0)
      client.calledMs = this.#parts.clock.monotonicMs();
    Object.assign(client, { replicaSet, template });
    for (const entry of client.entries) {
      if (!isAtZero) this.#expect(entry);
      else if (isIdle(entry)) this.#unexpect(entry);
    }
    if (wanted === 0) this.#discardPrepared(client);
    this.#fillAnew(client);
  }

  #forget(replicaSet: ReplicaSet): void {
    const client = this.#clients.get(replicaSet.metadata.uid ?? '');
    if (!client) return;
    this.#clients.delete(replicaSet.metadata.uid ?? '');
    client.making?.abort();
    client.retry?.[Symbol.dispose]();
    for (const entry of client.entries) this.#discard(entry);
  }

  /** What kept it from being made may be over. */
  #fillAnew(client: Client): void {
    client.failures = 0;
    this.#tryAnew(client);
  }

  #tryAnew(client: Client): void {
    client.retry?.[Symbol.dispose]();
    client.retry = undefined;
    this.#fill();
  }

  #fillNow(): void {
    while (!this.#signal.aborted && this.#making < MAKING_MAX) {
      const place = nextPlace([...this.#clients.values()].map(contender), this.#capacity);
      if (!place) return;
      const victim = place.instead && [...place.instead.client.entries].find(isIdle);
      if (victim) this.#remove(victim);
      this.#make(place.next.client);
    }
  }

  #make(client: Client): void {
    const { replicaSet } = client;
    const making = new AbortController();
    const signal = AbortSignal.any([making.signal, this.#signal]);
    client.making = making;
    this.#making += 1;
    this.#do(async () => {
      try {
        const prepared = await prepareSandbox(this.#parts, replicaSet, signal);
        // The last moment at which something could change before `entries` has it.
        if (signal.aborted) await prepared.sandbox.remove();
        else this.#add(client, prepared);
        client.failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        client.failures += 1;
        const retryMs = backoffMs(RETRY, client.failures);
        const { namespace, name } = replicaSet.metadata;
        this.#parts.log.warn('agent: a sandbox could not be prepared', {
          namespace,
          replicaSet: name,
          retryMs,
          error,
        });
        client.retry = this.#parts.clock.after(retryMs, () => this.#tryAnew(client));
      } finally {
        client.making = undefined;
        this.#making -= 1;
        this.#fill();
      }
    });
  }

  #add(client: Client, prepared: PreparedSandbox): Entry {
    const { replicaSet } = client;
    const entry = newEntry(replicaSet, prepared);
    const seconds = tokenRenewalSeconds(prepared.pod.spec?.volumes);
    if (seconds !== undefined) {
      entry.fresh = this.#parts.clock.after(seconds * 1000, () => {
        if (isIdle(entry)) this.#discard(entry);
      });
    }
    client.entries.add(entry);
    this.#byUid.set(prepared.pod.metadata.uid ?? '', entry);
    if (replicaSet.spec?.replicas !== 0) this.#expect(entry);
    return entry;
  }

  #start(entry: Entry): void {
    entry.isStarted = true;
    this.#expect(entry);
    const client = this.#clients.get(entry.replicaSet);
    if (client) client.calledMs = this.#parts.clock.monotonicMs();
    this.#do(async () => {
      const names = (entry.pod.spec?.containers ?? []).map(({ name }) => name);
      try {
        await Promise.all(names.map((name) => entry.sandbox.startContainer(name)));
        if (client && isKeptFrozen(client.replicaSet)) await entry.sandbox.thaw();
      } catch (error) {
        this.#parts.log.error('agent: a prepared sandbox could not be started', {
          pod: entry.pod.metadata.name,
          error,
        });
        this.#discard(entry);
      }
    });
  }

  /** Its object has to follow soon, or it goes. */
  #expect(entry: Entry): void {
    entry.deadline ??= this.#parts.clock.after(OBJECT_MS, () => this.#discard(entry));
  }

  /** Nothing came of it. What was not started may be out of date: as one that was named it missed what changed. */
  #unname(entry: Entry): void {
    entry.isNamed = false;
    if (!entry.isStarted) this.#discard(entry);
  }

  #unexpect(entry: Entry): void {
    entry.deadline?.[Symbol.dispose]();
    entry.deadline = undefined;
  }

  #dependencyChanged(namespace: string, dependency: string): void {
    const isAdmission = ADMISSION.test(dependency);
    for (const client of this.#clients.values()) {
      if (namespace !== '' && client.replicaSet.metadata.namespace !== namespace) continue;
      // What is being made may have read the old state; nobody knows yet what it reads.
      client.making?.abort();
      const stale = [...client.entries].filter(
        (entry) => isIdle(entry) && entry.dependencies.has(dependency),
      );
      for (const entry of stale) this.#discard(entry);
      if (isAdmission) this.#doubted.add(client);
      else this.#fillAnew(client);
    }
  }

  /** One answer stands for all sandboxes of a ReplicaSet. */
  async #askAgain(client: Client): Promise<Result> {
    const [entry, ...others] = [...client.entries].filter(isIdle);
    if (!entry) this.#fillAnew(client);
    else if (!(await isStillAdmitted(this.#parts, client.replicaSet, entry)))
      for (const each of [entry, ...others]) if (isIdle(each)) this.#discard(each);
    return {};
  }

  #discardPrepared(client: Client): void {
    client.making?.abort();
    for (const entry of [...client.entries].filter(isIdle)) this.#discard(entry);
  }

  #discard(entry: Entry): void {
    this.#remove(entry);
    this.#fill();
  }

  #remove(entry: Entry): void {
    if (!this.#release(entry)) return;
    this.#counters.discarded += 1;
    for (const tell of entry.onStopped) tell(entry.pod.metadata.name ?? '');
    this.#do(() => entry.sandbox.remove());
  }

  #release(entry: Entry): boolean {
    this.#unexpect(entry);
    entry.fresh?.[Symbol.dispose]();
    this.#clients.get(entry.replicaSet)?.entries.delete(entry);
    return this.#byUid.delete(entry.pod.metadata.uid ?? '');
  }

  #do(task: () => Promise<void>): void {
    const running = task()
      .catch((error: unknown) => {
        this.#parts.log.error('agent: prepared sandboxes could not be looked after', { error });
      })
      .finally(() => this.#tasks.delete(running));
    this.#tasks.add(running);
  }
}
