import os from 'node:os';
import type { Kind } from '#api/kind.ts';
import { controllerOf, type KubeObject } from '#api/meta/object-meta.ts';
import type { ReplicaSet } from '#api/apps-v1/replica-set.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import type { Informer } from '#client/informer.ts';
import type { AgentParts } from '#agent/agent-parts.ts';
import type { PodSandbox } from '#agent/pods/pod-sandbox.ts';
import { tokenRenewalSeconds } from '#agent/volumes/config-files.ts';
import type { ConfigWatch } from '#agent/config-watch.ts';
import {
  canBePrepared,
  deploymentOf,
  isPreparedAs,
  prepareSandbox,
  type PreparedSandbox,
} from '#agent/prepared/prepared-sandbox.ts';

const PREPARED_ANNOTATION = 'knode.dev/prepared-sandboxes';

/** A pod that is on its way, with the address it will have. */
export interface StartingPod {
  readonly name: string;
  readonly address: string;
}

export interface StartTarget {
  readonly namespace: string;
  readonly deployment: string;
  readonly count: number;
}

export interface PreparedPoolOptions {
  readonly replicaSets: Informer<ReplicaSet>;
  readonly config: Pick<ConfigWatch, 'onChange'>;
  /** Taken over from an earlier process: they run, and have no object yet. */
  readonly started: readonly PodSandbox[];
  readonly signal: AbortSignal;
}

/** Longest between a start, or a name given out, and the Pod object that has to follow. */
const OBJECT_MS = 30_000;
const RETRY_MS = 10_000;
const PREPARED_MAX = 64;
/** A created container and its conmon: 1.4 MB and 0.5 MB; rounded up. */
const PREPARED_BYTES = 2 * 1024 * 1024;
const MEMORY_SHARE = 0.05;

interface Entry extends PreparedSandbox {
  readonly replicaSet: string;
  readonly deployment: string | undefined;
  readonly onStopped: Set<(pod: string) => void>;
  isStarted: boolean;
  isNamed: boolean;
  deadline: Disposable | undefined;
  /** Until its tokens have to be renewed. */
  fresh: Disposable | undefined;
}

/** One ReplicaSet that wants prepared sandboxes, from its first sight until it is gone. */
interface Client {
  replicaSet: ReplicaSet;
  readonly entries: Set<Entry>;
  making: AbortController | undefined;
  calledMs: number;
  template: string;
}

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
  readonly #tasks = new Set<Promise<void>>();
  readonly #signal: AbortSignal;
  readonly #stop = new AbortController();
  readonly #capacity = Math.min(
    PREPARED_MAX,
    Math.floor((os.totalmem() * MEMORY_SHARE) / PREPARED_BYTES),
  );

  constructor(parts: AgentParts, { replicaSets, config, started, signal }: PreparedPoolOptions) {
    this.#parts = parts;
    this.#signal = AbortSignal.any([signal, this.#stop.signal]);
    this.#watch = config.onChange((namespace, dependency) =>
      this.#dependencyChanged(namespace, dependency),
    );
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
  reservedName(
    kind: Kind,
    object: KubeObject,
  ): { readonly name: string; readonly uid: string } | undefined {
    if (kind.kind !== 'Pod' || kind.group !== '') return undefined;
    const client = this.#clients.get(controllerOf(object)?.uid ?? '');
    const free = [...(client?.entries ?? [])].filter((entry) => !entry.isNamed);
    const entry = free.find((each) => each.isStarted) ?? free[0];
    if (!entry) return undefined;
    entry.isNamed = true;
    this.#expect(entry);
    return { name: entry.pod.metadata.name ?? '', uid: entry.pod.metadata.uid ?? '' };
  }

  /** The sandbox that was prepared for this pod, which from now on is the caller's. */
  async take(pod: Pod): Promise<PodSandbox | undefined> {
    const entry = this.#byUid.get(pod.metadata.uid ?? '');
    if (!entry) return undefined;
    this.#release(entry);
    if (isPreparedAs(entry, pod)) {
      await entry.sandbox.bind();
      return entry.sandbox;
    }
    this.#parts.log.warn('agent: a prepared sandbox did not fit its pod', {
      pod: pod.metadata.name,
    });
    await entry.sandbox.remove();
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
    const template = JSON.stringify(replicaSet.spec?.template);
    const client = this.#clients.get(uid) ?? {
      replicaSet,
      template,
      entries: new Set<Entry>(),
      making: undefined,
      calledMs: 0,
    };
    this.#clients.set(uid, client);
    if (client.template !== template) this.#discardPrepared(client);
    if (client.replicaSet.spec?.replicas !== 0) client.calledMs = this.#parts.clock.monotonicMs();
    Object.assign(client, { replicaSet, template });
    const isAtZero = replicaSet.spec?.replicas === 0;
    for (const entry of client.entries) {
      if (!isAtZero) this.#expect(entry);
      else if (!entry.isStarted && !entry.isNamed) this.#unexpect(entry);
    }
    if (wanted === 0) this.#discardPrepared(client);
    this.#fill(client);
  }

  #forget(replicaSet: ReplicaSet): void {
    const client = this.#clients.get(replicaSet.metadata.uid ?? '');
    if (!client) return;
    this.#clients.delete(replicaSet.metadata.uid ?? '');
    client.making?.abort();
    for (const entry of client.entries) this.#discard(entry);
  }

  /** Makes one more where one is missing and there is room; then looks again. */
  #fill(client: Client): void {
    const { replicaSet } = client;
    const isAtZero = replicaSet.spec?.replicas === 0 && canBePrepared(replicaSet);
    const missing = wantedCount(replicaSet) - client.entries.size;
    if (!isAtZero || missing <= 0 || client.making || this.#signal.aborted) return;
    if (!this.#clients.has(replicaSet.metadata.uid ?? '') || !this.#hasRoom(client)) return;
    const making = new AbortController();
    client.making = making;
    this.#do(async () => {
      let isMade = false;
      try {
        const signal = AbortSignal.any([making.signal, this.#signal]);
        const prepared = await prepareSandbox(this.#parts, replicaSet, signal);
        this.#add(client, prepared);
        isMade = true;
      } catch (error) {
        if (making.signal.aborted || this.#signal.aborted) return;
        const { namespace, name } = replicaSet.metadata;
        this.#parts.log.warn('agent: a sandbox could not be prepared', {
          namespace,
          replicaSet: name,
          error,
        });
      } finally {
        client.making = undefined;
        if (isMade || making.signal.aborted) this.#fill(client);
        else if (!this.#signal.aborted) this.#parts.clock.after(RETRY_MS, () => this.#fill(client));
      }
    });
  }

  #add(client: Client, prepared: PreparedSandbox): Entry {
    const { replicaSet } = client;
    const entry: Entry = {
      ...prepared,
      replicaSet: replicaSet.metadata.uid ?? '',
      deployment: deploymentOf(replicaSet),
      onStopped: new Set(),
      isStarted: false,
      isNamed: false,
      deadline: undefined,
      fresh: undefined,
    };
    const seconds = tokenRenewalSeconds(prepared.pod.spec?.volumes);
    if (seconds !== undefined) {
      entry.fresh = this.#parts.clock.after(seconds * 1000, () => {
        if (!entry.isStarted && !entry.isNamed) this.#discard(entry);
      });
    }
    client.entries.add(entry);
    this.#byUid.set(prepared.pod.metadata.uid ?? '', entry);
    if (replicaSet.spec?.replicas !== 0) this.#expect(entry);
    return entry;
  }

  /** Where all places are taken, the ReplicaSet that was called longest ago gives one up. */
  #hasRoom(client: Client): boolean {
    const idle = [...this.#byUid.values()].filter((entry) => !entry.isStarted);
    if (idle.length < this.#capacity) return true;
    const ages = [...this.#clients.values()].filter((each) => each.entries.size > 0);
    const oldest = ages.toSorted((a, b) => a.calledMs - b.calledMs)[0];
    if (!oldest || oldest.calledMs >= client.calledMs) return false;
    const victim = [...oldest.entries].find((entry) => !entry.isStarted && !entry.isNamed);
    if (victim) this.#discard(victim);
    return victim !== undefined;
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

  #unexpect(entry: Entry): void {
    entry.deadline?.[Symbol.dispose]();
    entry.deadline = undefined;
  }

  #dependencyChanged(namespace: string, dependency: string): void {
    for (const client of this.#clients.values()) {
      if (client.replicaSet.metadata.namespace !== namespace) continue;
      // What is being made may have read the old state; nobody knows yet what it reads.
      client.making?.abort();
      const stale = [...client.entries].filter(
        (entry) => !entry.isStarted && !entry.isNamed && entry.dependencies.has(dependency),
      );
      for (const entry of stale) this.#discard(entry);
      this.#fill(client);
    }
  }

  #discardPrepared(client: Client): void {
    client.making?.abort();
    for (const entry of client.entries) {
      if (!entry.isStarted && !entry.isNamed) this.#discard(entry);
    }
  }

  #discard(entry: Entry): void {
    if (!this.#release(entry)) return;
    for (const tell of entry.onStopped) tell(entry.pod.metadata.name ?? '');
    this.#do(() => entry.sandbox.remove());
    const client = this.#clients.get(entry.replicaSet);
    if (client) this.#fill(client);
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
        this.#parts.log.error('agent: a prepared sandbox could not be removed', { error });
      })
      .finally(() => this.#tasks.delete(running));
    this.#tasks.add(running);
  }
}

function wantedCount({ metadata }: ReplicaSet): number {
  const count = Number(metadata.annotations?.[PREPARED_ANNOTATION] ?? 0);
  return Number.isInteger(count) && count > 0 ? Math.min(count, PREPARED_MAX) : 0;
}
