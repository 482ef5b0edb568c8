import { backoffMs } from '#base/backoff.ts';
import { sleep } from '#base/clock.ts';
import { timestamp } from '#api/meta/timestamp.ts';
import type { Container, ContainerStatus } from '#api/generated/core-v1.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { hasReason } from '#api/meta/api-error.ts';
import type { AgentParts } from '#agent/agent-parts.ts';
import type { EvictablePod } from '#agent/node-eviction.ts';
import { ConfigReader } from '#agent/pods/config-reader.ts';
import { ContainerProblem } from '#agent/pods/container-problem.ts';
import { ContainerRunner } from '#agent/pods/container-runner.ts';
import { EphemeralContainers } from '#agent/pods/ephemeral-containers.ts';
import { Grace } from '#agent/pods/grace.ts';
import { PodEvents } from '#agent/pods/pod-events.ts';
import { beyondLimits, type PodFate } from '#agent/pods/pod-limits.ts';
import { runInOrder, stopInOrder, type PodContainers } from '#agent/pods/pod-order.ts';
import { PodSandbox } from '#agent/pods/pod-sandbox.ts';
import { hasEnded, podStatus, waitingStatus, type PodStatus } from '#agent/pods/pod-status.ts';
import { initRole, type ContainerRole } from '#agent/pods/restart.ts';
import { StatusWriter } from '#agent/pods/status-writer.ts';
import { untilDone } from '#agent/pods/until-done.ts';
import { VolumeKeeper } from '#agent/volumes/volume-keeper.ts';

export interface PodWorkerOptions {
  readonly parts: AgentParts;
  readonly pod: Pod;
  /** Taken over from an earlier process or from the prepared ones; its containers are not made again. */
  readonly sandbox?: PodSandbox;
  /** Called once nothing of the pod is left on the machine. */
  readonly onEnded: () => void;
}

/** A start is not slowed by work that can wait. */
const TAKEN_OVER_LOOK_MS = 10_000;
const SANDBOX_RETRY = { firstMs: 500, maxMs: 30_000 };
/** A pod whose object was removed by force has no more time than this. */
const FORCED_GRACE_MS = 2_000;

/** One pod from its object to its processes and back: everything that happens to it on this machine happens here. */
export class PodWorker {
  readonly #parts: AgentParts;
  readonly #status: StatusWriter;
  readonly #events: PodEvents;
  readonly #keeper: VolumeKeeper;
  readonly #stop = new AbortController();
  readonly #startTime: string;
  readonly #running: Promise<void>;
  readonly #onEnded: () => void;
  #pod: Pod;
  #sandbox: PodSandbox | undefined;
  #containers: PodContainers = { inits: [], mains: [] };
  #ephemerals: EphemeralContainers | undefined;
  /** Why there is no sandbox yet. */
  #waiting: { readonly reason: string; readonly message?: string } = {
    reason: 'ContainerCreating',
  };
  #stopping: Promise<void> | undefined;
  #deadlineChanged = Promise.withResolvers<void>();
  /** How long its containers have, from the moment on that they are told to end. */
  #grace: Grace | undefined;
  #hasFiles = false;
  /** What is to become of it, and, once it has ended, has. */
  #decided: PodFate | undefined;
  #fate: PodFate | undefined;
  readonly #evicted = Promise.withResolvers<PodFate>();
  /** Aborted when the next process takes over. */
  readonly #left = new AbortController();

  constructor({ parts, pod, sandbox, onEnded }: PodWorkerOptions) {
    this.#onEnded = onEnded;
    this.#parts = parts;
    this.#pod = pod;
    this.#sandbox = sandbox;
    this.#startTime = sandbox?.record.startTime ?? timestamp(parts.clock.now());
    this.#events = new PodEvents(parts, pod);
    const { clock } = parts;
    this.#keeper = new VolumeKeeper({ clock, pod, write: (signal) => this.#writeVolumes(signal) });
    this.#status = new StatusWriter(parts, pod, (newest) => this.#build(newest));
    this.#running = this.#run(this.#stop.signal);
  }

  get sandbox(): PodSandbox | undefined {
    return this.#sandbox;
  }

  /** Undefined where it has ended, or is about to. */
  get evictable(): EvictablePod | undefined {
    const sandbox = this.#sandbox;
    const isOver = this.#stopping ?? this.#decided ?? hasEnded(this.#pod);
    if (!sandbox || isOver) return undefined;
    return {
      pod: this.#pod,
      sandbox,
      evict: async (fate) => {
        this.#evicted.resolve(fate);
        await this.#running;
      },
    };
  }

  get isReady(): boolean {
    const { mains } = this.#containers;
    return mains.length > 0 && mains.every(({ status }) => status.ready);
  }

  /** Takes the newest object; one that is being deleted begins to end. */
  update(pod: Pod): void {
    const previous = this.#pod;
    this.#pod = pod;
    this.#status.observe(pod);
    this.#keeper.podChanged(previous, pod);
    const { inits, mains } = this.#containers;
    for (const runner of [...inits, ...mains]) runner.specChanged();
    if (previous.spec?.activeDeadlineSeconds !== pod.spec?.activeDeadlineSeconds) {
      this.#deadlineChanged.resolve();
      this.#deadlineChanged = Promise.withResolvers();
    }
    if (!pod.metadata.deletionTimestamp) this.#ephemerals?.observe(pod);
    const { deletionTimestamp, deletionGracePeriodSeconds = 30 } = pod.metadata;
    if (deletionTimestamp) void this.end(deletionGracePeriodSeconds * 1000);
  }

  /** Something that pods may have files of has changed: `ConfigMap/name`. */
  configChanged(namespace: string, dependency: string): void {
    this.#keeper.configChanged(namespace, dependency);
  }

  /** The object is gone without our doing. */
  removed(): Promise<void> {
    return this.end(FORCED_GRACE_MS);
  }

  /** Ends the pod within its own grace or `graceMs`, whichever is shorter. */
  endWithin(graceMs: number): Promise<void> {
    return this.end(Math.min(graceMs, this.#graceMs));
  }

  /** Ends the pod within `graceMs`, removes all of it from the machine, then its object; a later call may shorten the time. */
  end(graceMs: number): Promise<void> {
    const grace = this.#within(graceMs);
    this.#stopping ??= this.#end(grace).catch((error: unknown) => {
      if (!this.#left.signal.aborted)
        this.#log('a pod could not be ended whole; the rest goes at the next start', error);
    });
    return this.#stopping;
  }

  /** Leaves everything as it runs, for the next process to take over. */
  async leave(): Promise<void> {
    this.#stop.abort();
    this.#left.abort();
    await this.#running;
    this.#status.stop();
    await this.#status.written();
  }

  get #graceMs(): number {
    return (this.#pod.spec?.terminationGracePeriodSeconds ?? 30) * 1000;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const ended = new AbortController();
    const failed = new AbortController();
    const beyond = this.#watchLimits(failed, AbortSignal.any([signal, ended.signal]));
    try {
      await this.#live(AbortSignal.any([signal, failed.signal])).catch((error: unknown) => {
        if (signal.aborted || !failed.signal.aborted) throw error;
      });
      await this.#stopForGood();
      this.#fate = this.#decided;
      await this.#sandbox?.releaseNamespaces();
      await this.#sandbox?.releaseVolumes();
    } catch (error) {
      // The stop's own reason is no failure; anything else is a bug, and this pod's alone.
      if (!signal.aborted) this.#log('a pod stopped being looked after', error);
    } finally {
      ended.abort();
      await beyond;
      this.#status.changed();
    }
  }

  async #stopForGood(): Promise<void> {
    const grace = this.#within(this.#decided?.graceMs ?? this.#graceMs);
    const stop = (): Promise<void> => stopInOrder(this.#allContainers, grace);
    await stop().catch(async (error: unknown) => {
      if (!this.#decided) throw error;
      // On a full disk nothing can be written down before there is room.
      await this.#sandbox?.releaseVolumes();
      await stop();
      await this.#sandbox?.save();
    });
  }

  /** From the sandbox to the last end of a container. */
  async #live(signal: AbortSignal): Promise<void> {
    const sandbox = await this.#ensureSandbox(signal);
    // A sandbox that was taken over has its files, and a status that is true already.
    const isTakenOver = this.#hasFiles || hasEnded(this.#pod);
    if (!isTakenOver) await this.#writeVolumes(signal);
    this.#containers = {
      inits: (this.#pod.spec?.initContainers ?? []).map((container) =>
        this.#runnerFor(sandbox, container, initRole(container)),
      ),
      mains: (this.#pod.spec?.containers ?? []).map((container) =>
        this.#runnerFor(sandbox, container, 'main'),
      ),
    };
    this.#status.changed();
    if (hasEnded(this.#pod)) return;
    const ended = new AbortController();
    const lives = AbortSignal.any([signal, ended.signal]);
    // Nobody knows how old the files are of a sandbox that was taken over.
    const keeping = this.#keeper.run(lives, isTakenOver ? TAKEN_OVER_LOOK_MS : undefined);
    this.#ephemerals = new EphemeralContainers({
      runnerFor: (container) => this.#runnerFor(sandbox, container, 'ephemeral'),
      onFailure: (error) => this.#log('an ephemeral container stopped being looked after', error),
      signal: lives,
    });
    this.#ephemerals.observe(this.#pod);
    try {
      await runInOrder(this.#containers, signal);
    } finally {
      ended.abort();
      await Promise.all([keeping, this.#ephemerals.left()]);
    }
  }

  /** Aborts `failed` when the pod has gone beyond a limit of its own. Never rejects. */
  async #watchLimits(failed: AbortController, signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    if (hasEnded(this.#pod)) return;
    const startTime = this.#pod.status?.startTime ?? this.#startTime;
    const { promise: evicted } = this.#evicted;
    const watched = {
      clock,
      pod: () => this.#pod,
      deadlineChanged: () => this.#deadlineChanged.promise,
      startTime,
      sandbox: () => this.#sandbox,
      evicted,
    };
    try {
      this.#decided = await beyondLimits(watched, signal);
      const { reason, message } = this.#decided;
      this.#events.tell({ type: reason === 'Evicted' ? 'Warning' : 'Normal', reason, message });
      failed.abort();
    } catch (error) {
      if (!signal.aborted) this.#log('limits of a pod are not watched any more', error);
    }
  }

  async #ensureSandbox(signal: AbortSignal): Promise<PodSandbox> {
    if (this.#sandbox) {
      // What was in memory went with the network: volumes are written anew.
      this.#hasFiles = !(await this.#sandbox.ensureNetwork()) && this.#sandbox.hasContainers;
      return this.#sandbox;
    }
    this.#status.changed();
    for (let attempt = 1; ; attempt += 1) {
      try {
        this.#sandbox = await PodSandbox.create(this.#parts, this.#pod);
        return this.#sandbox;
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        this.#waiting = { reason: 'FailedCreatePodSandBox', message };
        this.#log('a pod sandbox could not be made', error);
        const text = `Failed to create pod sandbox: ${message}`;
        this.#events.tell({ type: 'Warning', reason: 'FailedCreatePodSandBox', message: text });
        this.#status.changed();
        await sleep(this.#parts.clock, backoffMs(SANDBOX_RETRY, attempt), signal);
      }
    }
  }

  async #writeVolumes(signal: AbortSignal): Promise<void> {
    const { client, clock } = this.#parts;
    for (let attempt = 1; ; attempt += 1) {
      try {
        const reader = new ConfigReader(client, this.#pod.metadata.namespace ?? '');
        await this.#sandbox?.writeVolumes(this.#pod, reader);
        return;
      } catch (error) {
        const reason = error instanceof ContainerProblem ? error.reason : 'FailedMount';
        const message = error instanceof Error ? error.message : String(error);
        this.#waiting = { reason, message };
        this.#events.tell({ type: 'Warning', reason: 'FailedMount', message });
        this.#status.changed();
        await sleep(clock, backoffMs(SANDBOX_RETRY, attempt), signal);
      }
    }
  }

  #runnerFor(sandbox: PodSandbox, container: Container, role: ContainerRole): ContainerRunner {
    const { initContainerStatuses = [], containerStatuses = [] } = this.#pod.status ?? {};
    const before = [...initContainerStatuses, ...containerStatuses];
    const known = before.find(({ name }) => name === container.name);
    return new ContainerRunner({
      parts: this.#parts,
      sandbox,
      container,
      role,
      tell: (event) => this.#events.tell(event),
      pod: () => this.#pod,
      wasReady: known?.ready === true && sandbox.container(container.name)?.startedAt !== undefined,
      onChange: () => this.#status.changed(),
    });
  }

  /** Ephemeral ones end with the main ones. */
  get #allContainers(): PodContainers {
    const { inits, mains } = this.#containers;
    return { inits, mains: [...mains, ...(this.#ephemerals?.runners ?? [])] };
  }

  #within(graceMs: number): Grace {
    this.#grace ??= new Grace(this.#parts.clock, graceMs);
    this.#grace.shorten(graceMs);
    return this.#grace;
  }

  /** Waits for the last request of who is ready to be over, for as long as there is time. */
  async #drain(grace: Grace): Promise<void> {
    const { namespace = '', name = '' } = this.#pod.metadata;
    if (!this.#sandbox || !this.isReady) return;
    const [drained, late] = [new AbortController(), new AbortController()];
    const passed = grace.passed(drained.signal).then(() => late.abort());
    try {
      const { address } = this.#sandbox;
      await this.#parts.drain({ namespace, name, address }, late.signal);
    } catch (error) {
      if (!late.signal.aborted) this.#log('a pod could not be drained', error);
    }
    drained.abort();
    await passed;
  }

  async #end(grace: Grace): Promise<void> {
    await this.#drain(grace);
    this.#stop.abort();
    await this.#running;
    await stopInOrder(this.#allContainers, grace);
    this.#status.changed();
    await Promise.all([this.#status.written(), this.#events.written()]);
    this.#status.stop();
    await this.#untilDone('a pod could not be removed from the machine', async () => {
      await this.#sandbox?.remove();
    });
    this.#onEnded();
    if (!this.#pod.metadata.deletionTimestamp) return;
    await this.#untilDone('the object of a pod that ended could not be deleted', async () => {
      await removePodObject(this.#parts.client, this.#pod);
    });
  }

  #untilDone(failure: string, task: () => Promise<void>): Promise<void> {
    return untilDone(task, {
      clock: this.#parts.clock,
      onFailure: (error) => this.#log(`${failure}, will try again`, error),
      signal: this.#left.signal,
    });
  }

  #build(pod: Pod): PodStatus {
    const waits = (which: 'initContainers' | 'containers'): ContainerStatus[] =>
      (pod.spec?.[which] ?? []).map((container) =>
        waitingStatus(container, this.#waiting.reason, this.#waiting.message),
      );
    const { inits, mains } = this.#containers;
    const hasRunners = mains.length > 0;
    return podStatus({
      pod,
      hostAddress: this.#parts.ranges.podFacing,
      address: this.#sandbox?.address,
      startTime: this.#startTime,
      fate: this.#fate,
      isDoomed: this.#decided !== undefined,
      initStatuses: hasRunners ? inits.map(({ status }) => status) : waits('initContainers'),
      ephemeralStatuses: this.#ephemerals?.statuses ?? [],
      statuses: hasRunners ? mains.map(({ status }) => status) : waits('containers'),
      now: timestamp(this.#parts.clock.now()),
    });
  }

  #log(message: string, error: unknown): void {
    const { namespace, name } = this.#pod.metadata;
    this.#parts.log.error(`agent: ${message}`, { namespace, pod: name, error });
  }
}

/** The last step of a pod's end; also where the object is gone, or another of its name has come. */
export async function removePodObject(client: AgentParts['client'], pod: Pod): Promise<void> {
  const { namespace = '', name = '', uid = '' } = pod.metadata;
  const options = { gracePeriodSeconds: 0, preconditions: { uid } };
  try {
    await client.delete(Pod, { namespace, name }, options);
  } catch (error) {
    if (!hasReason(error, 'Conflict')) throw error;
  }
}
