import type { Pod } from '#api/core-v1/pod.ts';
import type { SelectedObjects } from '#client/selected-objects.ts';
import type { ConfigWatch } from '#agent/config-watch.ts';
import type { AgentParts } from '#agent/agent-parts.ts';
import type { EvictablePod } from '#agent/node-eviction.ts';
import type { PodSandbox } from '#agent/pods/pod-sandbox.ts';
import { hasEnded } from '#agent/pods/pod-status.ts';
import { PodWorker, removePodObject } from '#agent/pods/pod-worker.ts';
import { untilDone } from '#agent/pods/until-done.ts';

export interface PodSetOptions {
  readonly parts: AgentParts;
  readonly pods: SelectedObjects<Pod>;
  /** Where a new pod's sandbox may be waiting already. */
  readonly pool: { take(pod: Pod): Promise<PodSandbox | undefined> };
  /** Says when something changes that pods have files of. */
  readonly config: Pick<ConfigWatch, 'onChange'>;
  /** Taken over from an earlier process. */
  readonly adopted: readonly PodSandbox[];
}

/** Who is meant, for the log. */
type PodPlace = Pick<Pod['metadata'], 'namespace' | 'name'>;

/** What is not gone so long after its end is swept by the next start. */
const REMOVE_MS = 15_000;

/** A worker for each pod of this node, from the first sight of its object until nothing of it is left. */
export class PodSet implements AsyncDisposable {
  readonly #options: PodSetOptions;
  readonly #subscription: Disposable;
  readonly #watch: Disposable;
  readonly #workers = new Map<string, Promise<PodWorker>>();
  readonly #running = new Map<string, PodWorker>();
  readonly #tasks = new Set<Promise<void>>();
  /** Uids of objects that are about to be removed. */
  readonly #removing = new Set<string>();
  /** Aborted when the next process takes over. */
  readonly #left = new AbortController();
  #isEnding = false;

  constructor(options: PodSetOptions) {
    this.#options = options;
    this.#watch = options.config.onChange((namespace, dependency) => {
      for (const worker of this.#running.values()) worker.configChanged(namespace, dependency);
    });
    const adopted = new Map(options.adopted.map((sandbox) => [sandbox.record.uid, sandbox]));
    this.#subscription = options.pods.onChange(({ previous, current }) => {
      if (previous && previous.metadata.uid !== current?.metadata.uid) this.#removed(previous);
      if (!current) return;
      const uid = current.metadata.uid ?? '';
      this.#seen(current, adopted.get(uid));
      adopted.delete(uid);
    });
    for (const sandbox of adopted.values()) this.#abandoned(sandbox);
  }

  sandboxOf(uid: string | undefined): PodSandbox | undefined {
    return this.#running.get(uid ?? '')?.sandbox;
  }

  /** Those that could be ended to relieve the machine. */
  get evictable(): readonly EvictablePod[] {
    return [...this.#running.values()].flatMap(({ evictable }) => evictable ?? []);
  }

  async endAll(graceMs: number): Promise<void> {
    this.#isEnding = true;
    const workers = await Promise.all(this.#workers.values());
    const ended = Promise.all(workers.map((worker) => worker.endWithin(graceMs)));
    const { promise: late, resolve } = Promise.withResolvers<void>();
    using _timer = this.#options.parts.clock.after(graceMs + REMOVE_MS, resolve);
    await Promise.race([ended, late]);
  }

  /** Leaves the pods running. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isEnding = true;
    this.#subscription[Symbol.dispose]();
    this.#watch[Symbol.dispose]();
    this.#left.abort();
    const workers = await Promise.all(this.#workers.values());
    await Promise.all(workers.map((worker) => worker.leave()));
    while (this.#tasks.size > 0) await Promise.all(this.#tasks);
  }

  #seen(pod: Pod, adopted: PodSandbox | undefined): void {
    const uid = pod.metadata.uid ?? '';
    const known = this.#workers.get(uid);
    if (known) this.#do(pod.metadata, async () => (await known).update(pod));
    else if (!adopted && pod.metadata.deletionTimestamp) this.#removeObject(pod);
    else if (!this.#isEnding && (adopted || !hasEnded(pod))) this.#begin(pod, adopted);
  }

  /** There is nothing of it here, and nobody else says so. */
  #removeObject(pod: Pod): void {
    const { client } = this.#options.parts;
    const { uid = '' } = pod.metadata;
    if (this.#removing.has(uid)) return;
    this.#removing.add(uid);
    this.#do(pod.metadata, async () => {
      await this.#persist(pod.metadata, () => removePodObject(client, pod));
      this.#removing.delete(uid);
    });
  }

  #begin(pod: Pod, adopted: PodSandbox | undefined): void {
    const { parts, pool } = this.#options;
    const uid = pod.metadata.uid ?? '';
    const begin = async (): Promise<PodWorker> => {
      const sandbox = adopted ?? (await pool.take(pod));
      const worker = new PodWorker({
        parts,
        pod,
        ...(sandbox && { sandbox }),
        onEnded: () => {
          this.#workers.delete(uid);
          this.#running.delete(uid);
        },
      });
      this.#running.set(uid, worker);
      // Also where it is being deleted already.
      worker.update(pod);
      return worker;
    };
    const beginning = begin();
    this.#workers.set(uid, beginning);
    this.#do(pod.metadata, async () => void (await beginning));
  }

  #removed(pod: Pod): void {
    const worker = this.#workers.get(pod.metadata.uid ?? '');
    if (worker) this.#do(pod.metadata, async () => (await worker).removed());
  }

  /** Its object went while it was taken over: nobody will say so again. */
  #abandoned(sandbox: PodSandbox): void {
    const { record } = sandbox;
    this.#do(record, () => this.#persist(record, () => sandbox.remove()));
  }

  /** Does it until it is done, or left to the next process. */
  async #persist(pod: PodPlace, task: () => Promise<void>): Promise<void> {
    const { clock } = this.#options.parts;
    const { signal } = this.#left;
    const onFailure = (error: unknown): void => this.#failed(pod, error);
    try {
      await untilDone(task, { clock, onFailure, signal });
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  #do(pod: PodPlace, task: () => Promise<void>): void {
    const running = task()
      .catch((error: unknown) => this.#failed(pod, error))
      .finally(() => this.#tasks.delete(running));
    this.#tasks.add(running);
  }

  #failed({ namespace, name }: PodPlace, error: unknown): void {
    const about = { namespace, pod: name, error };
    this.#options.parts.log.error('agent: a pod could not be handled', about);
  }
}
