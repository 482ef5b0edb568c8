import path from 'node:path';
import { sleep } from '#base/clock.ts';
import type {
  Container,
  ContainerState,
  ContainerStateTerminated,
  ContainerStatus,
} from '#api/generated/core-v1.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import type { AgentParts } from '#agent/agent-parts.ts';
import { ContainerProbes } from '#agent/probes/container-probes.ts';
import { endContainer } from '#agent/pods/end-container.ts';
import { allContainers, fieldPathOf } from '#agent/pods/container-name.ts';
import { containerStatus } from '#agent/pods/container-status.ts';
import { Grace } from '#agent/pods/grace.ts';
import { makeContainer, unlessChanged } from '#agent/pods/make-container.ts';
import { runHook } from '#agent/probes/lifecycle-hook.ts';
import { keepRotated } from '#agent/logs/log-rotation.ts';
import type { PodEvent } from '#agent/pods/pod-events.ts';
import type { ContainerRecord } from '#agent/pods/pod-record.ts';
import type { PodSandbox } from '#agent/pods/pod-sandbox.ts';
import { timestamp } from '#api/meta/timestamp.ts';
import { isRestarted, ranLong, restartDelayMs, type ContainerRole } from '#agent/pods/restart.ts';
import { terminationMessage } from '#agent/pods/termination-message.ts';
import { RuntimeError, type ContainerExit } from '#agent/runtime/runtime.ts';

export interface RunnerOptions {
  readonly parts: AgentParts;
  readonly sandbox: PodSandbox;
  readonly container: Container;
  /** The newest object of the pod. */
  readonly pod: () => Pod;
  readonly role: ContainerRole;
  /** Tells what `kubectl describe` shows; the path of the container is added. */
  readonly tell: (event: PodEvent) => void;
  /** Whether it was ready in the eyes of the process that ran it before; it stays so until a probe says otherwise. */
  readonly wasReady: boolean;
  readonly onChange: () => void;
}

/** Longest from SIGKILL to the word that it has ended. */
const KILLED_MS = 10_000;

/** One container of one pod: made, started, probed, restarted as its policy says. */
export class ContainerRunner {
  #options: RunnerOptions;
  readonly #probes: ContainerProbes;
  #state: ContainerState = { waiting: { reason: 'ContainerCreating' } };
  readonly #started = Promise.withResolvers<void>();
  readonly #tell: (event: PodEvent) => void;
  #crashes = 0;
  /** Of the newest `run`. */
  #lives = new AbortController().signal;
  /** It was ended in order to be made anew, so its exit code does not decide. */
  #isReplaced = false;
  /** Aborted when the spec has another image; then there is a new one. */
  #changed = new AbortController();
  #ending: Promise<void> | undefined;

  constructor(options: RunnerOptions) {
    this.#options = options;
    const fieldPath = fieldPathOf(options.role, options.container);
    this.#tell = (event) => options.tell({ ...event, fieldPath });
    this.#probes = new ContainerProbes({
      ...options,
      tell: this.#tell,
      end: (why, graceSeconds) => this.#endUnhealthy(why, graceSeconds),
      onChange: () => {
        if (this.status.started) this.#started.resolve();
        options.onChange();
      },
    });
    const record = this.#record;
    if (record?.terminated) this.#state = { terminated: record.terminated };
    else if (record?.startedAt) this.#state = { running: { startedAt: record.startedAt } };
    else if (options.role === 'init' || options.role === 'sidecar')
      this.#state = { waiting: { reason: 'PodInitializing' } };
  }

  get status(): ContainerStatus {
    const { container, role } = this.#options;
    const { isReady, isStarted } = this.#probes;
    const view = { container, role, record: this.#record, state: this.#state };
    return containerStatus({ ...view, isReady, isStarted });
  }

  get role(): ContainerRole {
    return this.#options.role;
  }

  /** Resolves when it has started for the first time, its startup probe and hook included. */
  get started(): Promise<void> {
    return this.#started.promise;
  }

  /** It has ended and will not run again: its exit code then. */
  get finished(): number | undefined {
    const { terminated } = this.#record ?? {};
    return terminated && !this.#isRestarted(terminated) ? terminated.exitCode : undefined;
  }

  /** Takes the image that the newest spec has, the only thing of it that may change: whatever its policy, it is made anew. */
  specChanged(): void {
    const { container, pod, role } = this.#options;
    const newest = allContainers(pod()).find(({ name }) => name === container.name);
    if (!newest || newest.image === container.image || role === 'ephemeral') return;
    this.#options = { ...this.#options, container: newest };
    this.#crashes = 0;
    this.#changed.abort();
    this.#changed = new AbortController();
    if (this.#state.running) this.#endIfOutdated();
  }

  /** Resolves with the last exit code once the container will not run again. Rejects with the signal's reason. */
  async run(signal: AbortSignal): Promise<number> {
    const { parts } = this.#options;
    this.#lives = signal;
    for (;;) {
      const terminated = this.#record?.terminated ?? (await this.#runOnce(signal));
      if (!this.#isRestarted(terminated)) return terminated.exitCode;
      this.#isReplaced = false;
      this.#crashes = ranLong(terminated) ? 1 : this.#crashes + 1;
      const delayMs = restartDelayMs(this.#crashes);
      if (delayMs > 0) {
        this.#backsOff(delayMs);
        const { signal: changed } = this.#changed;
        await unlessChanged(changed, signal, (until) => sleep(parts.clock, delayMs, until));
      }
      await this.#make(signal);
    }
  }

  /**
   * Ends it as its spec wants within `grace`, once it is its turn; resolves when it has ended. At once where it does not
   * run. Not while `run` goes on.
   */
  async stop(grace: Grace, turn: Promise<unknown> = Promise.resolve()): Promise<void> {
    const { sandbox, container } = this.#options;
    const record = this.#record;
    if (!record || record.terminated) return;
    const state = sandbox.stateOf(record.id);
    if (state === undefined) return;
    if (state !== 'running') {
      await sandbox.release(container.name);
      return;
    }
    this.#says('Normal', 'Killing', `Stopping container ${container.name}`);
    await this.#end(record, { grace, turn }, new AbortController().signal);
    await this.#endedSoon(record);
  }

  get #record(): ContainerRecord | undefined {
    return this.#options.sandbox.container(this.#options.container.name);
  }

  async #runOnce(signal: AbortSignal): Promise<ContainerStateTerminated> {
    const { sandbox, container } = this.#options;
    const adopted = this.#record;
    if (!adopted) await this.#make(signal);
    else if (
      sandbox.stateOf(adopted.id) === undefined ||
      sandbox.stateOf(adopted.id) === 'broken'
    ) {
      if (adopted.startedAt) return this.#lost();
      await sandbox.forget(container.name);
      await this.#make(signal);
    }
    const made = this.#record;
    if (made?.terminated) return made.terminated;
    if (!made) throw new Error(`container "${container.name}" was made and has no record`);
    try {
      if (sandbox.stateOf(made.id) === 'created') await sandbox.startContainer(container.name);
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error;
      return this.#startFailed(error);
    }
    await this.#watch(made, signal);
    return this.#record?.terminated ?? this.#lost();
  }

  /** Says that it runs, probes it, and resolves when it has ended and that is on record. */
  async #watch(made: ContainerRecord, signal: AbortSignal): Promise<void> {
    const { sandbox, parts, container } = this.#options;
    const startedAt = made.startedAt ?? timestamp(parts.clock.now());
    const record = { ...made, startedAt };
    const stop = new AbortController();
    const lives = AbortSignal.any([signal, stop.signal]);
    const tending = this.#tend(record, { isNew: made.startedAt === undefined, signal: lives });
    const rotating = this.#rotateLog(made, lives);
    try {
      if (!made.startedAt) await sandbox.note(container.name, record);
      const exit = await parts.runtime.exited(made.id, signal);
      await this.#ended(exit);
    } catch (error) {
      // Without a word of how it ended, it counts as lost.
      if (!(error instanceof RuntimeError)) throw error;
    } finally {
      stop.abort();
      await Promise.all([tending, rotating]);
      await this.#ending;
      this.#ending = undefined;
    }
  }

  async #rotateLog({ id, attempt }: ContainerRecord, signal: AbortSignal): Promise<void> {
    const { sandbox, parts, container } = this.#options;
    const file = path.join(sandbox.bundleOf(container.name, attempt), 'log');
    const reopen = (): Promise<void> => parts.runtime.reopenLog(id);
    try {
      await keepRotated({ file, reopen, clock: parts.clock }, signal);
    } catch (error) {
      // The runtime's own bound still holds.
      parts.log.error('agent: a log is not rotated any more', { file, error });
    }
  }

  /** What goes on while it runs: its postStart hook, before that nobody is told that it runs, then its probes. Never rejects. */
  async #tend(
    record: ContainerRecord,
    { isNew, signal }: { readonly isNew: boolean; readonly signal: AbortSignal },
  ): Promise<void> {
    const { container, onChange, parts } = this.#options;
    this.#endIfOutdated();
    const hook = container.lifecycle?.postStart;
    if (isNew) this.#says('Normal', 'Started', `Started container ${container.name}`);
    if (isNew && hook) {
      const target = { ...parts, container, id: record.id, address: this.#options.sandbox.address };
      const message = await runHook(hook, target, signal).catch((error: unknown) =>
        error instanceof Error ? error.message : String(error),
      );
      if (signal.aborted) return;
      if (message !== undefined) {
        this.#says('Warning', 'FailedPostStartHook', `PostStartHook failed: ${message}`);
        this.#endUnhealthy('failed its postStart hook');
      }
    }
    this.#state = { running: { startedAt: record.startedAt ?? '' } };
    onChange();
    await this.#probes.run(record.id, signal);
  }

  /** Something says that it is not well: it ends in its own time, and is made anew where its policy allows. */
  #endUnhealthy(why: string, graceSeconds?: number): void {
    const isReplaced = this.#options.pod().spec?.restartPolicy !== 'Never';
    this.#endInTime(why, { isReplaced, graceSeconds });
  }

  /** Also of one that an earlier process made. */
  #endIfOutdated(): void {
    const { container, role } = this.#options;
    const isMeant = role === 'main' || role === 'sidecar';
    if (isMeant && this.#record?.image !== (container.image ?? ''))
      this.#endInTime('definition changed', { isReplaced: true });
  }

  #endInTime(
    why: string,
    { isReplaced, graceSeconds }: { isReplaced: boolean; graceSeconds?: number | undefined },
  ): void {
    const { container, pod, parts } = this.#options;
    const record = this.#record;
    if (!record || this.#ending) return;
    const { terminationGracePeriodSeconds = 30 } = pod().spec ?? {};
    this.#isReplaced = isReplaced;
    const then = isReplaced ? ', will be restarted' : '';
    this.#says('Normal', 'Killing', `Container ${container.name} ${why}${then}`);
    const graceMs = (graceSeconds ?? terminationGracePeriodSeconds) * 1000;
    const grace = new Grace(parts.clock, graceMs);
    const signal = this.#lives;
    this.#ending = this.#end(record, { grace }, signal).catch((error: unknown) => {
      if (!signal.aborted)
        parts.log.error('agent: an unhealthy container could not be ended', {
          container: record.id,
          error,
        });
    });
  }

  #end(
    record: ContainerRecord,
    how: { readonly grace: Grace; readonly turn?: Promise<unknown> },
    signal: AbortSignal,
  ): Promise<void> {
    const { parts, container, sandbox } = this.#options;
    const onHookFailed = (message: string): void =>
      this.#says('Warning', 'FailedPreStopHook', `PreStopHook failed: ${message}`);
    const { address } = sandbox;
    return endContainer({ ...how, parts, container, record, address, onHookFailed }, signal);
  }

  /** Resolves when there is a container, or one that could not be started. */
  async #make(signal: AbortSignal): Promise<void> {
    try {
      await makeContainer(
        {
          ...this.#options,
          container: () => this.#options.container,
          changed: () => this.#changed.signal,
          waits: (reason, message) => this.#waits(reason, message),
          says: (type, reason, message) => this.#says(type, reason, message),
        },
        signal,
      );
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error;
      await this.#startFailed(error);
    }
  }

  /** Where nobody is left to tell of the end (conmon was killed too), the wait ends all the same. */
  async #endedSoon(record: ContainerRecord): Promise<void> {
    const { runtime, clock } = this.#options.parts;
    const limit = new AbortController();
    using _timer = clock.after(KILLED_MS, () => limit.abort());
    const exit = await runtime.exited(record.id, limit.signal).catch(() => undefined);
    if (exit) await this.#ended(exit);
    else await this.#lost();
  }

  async #ended(exit: ContainerExit): Promise<void> {
    const { sandbox, container } = this.#options;
    const record = this.#record;
    if (!record || record.terminated) return;
    const bundle = sandbox.bundleOf(container.name, record.attempt);
    const message = await terminationMessage(container, bundle, exit.exitCode);
    const reason = exit.isOomKilled ? 'OOMKilled' : exit.exitCode === 0 ? 'Completed' : 'Error';
    await this.#conclude({
      exitCode: exit.exitCode,
      reason,
      ...(message !== undefined && { message }),
      finishedAt: timestamp(exit.finishedAt),
    });
  }

  /** It could not even begin: Kubernetes' exit code for that is 128. */
  async #startFailed(error: RuntimeError): Promise<ContainerStateTerminated> {
    return await this.#conclude({ exitCode: 128, reason: 'StartError', message: error.message });
  }

  /** Started once, and the machine knows nothing of it any more: a reboot, or somebody's hand. */
  #lost(): Promise<ContainerStateTerminated> {
    const message = 'The container could not be located when the agent looked for it';
    return this.#conclude({ exitCode: 137, reason: 'ContainerStatusUnknown', message });
  }

  /** Puts the end on record, then frees what the container held. */
  async #conclude(end: ContainerStateTerminated): Promise<ContainerStateTerminated> {
    const { sandbox, parts, container, onChange } = this.#options;
    const record = this.#record;
    if (!record) return end;
    const now = timestamp(parts.clock.now());
    const terminated = {
      finishedAt: now,
      ...end,
      startedAt: record.startedAt ?? now,
      containerID: `runc://${record.id}`,
    };
    this.#probes.reset();
    // Of one that comes again at once, how it ended is no news of its pod.
    this.#state = this.#isReplaced ? { waiting: { reason: 'ContainerCreating' } } : { terminated };
    onChange();
    try {
      await sandbox.note(container.name, { ...record, terminated });
    } finally {
      // Also on a full disk: it may be this container that fills it.
      await sandbox.release(container.name);
    }
    return terminated;
  }

  #waits(reason: string, message?: string): void {
    this.#state = { waiting: { reason, ...(message !== undefined && { message }) } };
    this.#options.onChange();
  }

  #backsOff(delayMs: number): void {
    const { pod, container } = this.#options;
    const { name, namespace, uid } = pod().metadata;
    const who = `${name}_${namespace}(${uid})`;
    this.#says(
      'Warning',
      'BackOff',
      `Back-off restarting failed container ${container.name} in pod ${who}`,
    );
    const message = `back-off ${delayMs / 1000}s restarting failed container=${container.name} pod=${who}`;
    this.#waits('CrashLoopBackOff', message);
  }

  #isRestarted({ exitCode }: ContainerStateTerminated): boolean {
    const { container, role, pod } = this.#options;
    const policy = pod().spec?.restartPolicy ?? 'Always';
    return this.#isReplaced || isRestarted({ container, role, policy, exitCode });
  }

  #says(type: PodEvent['type'], reason: string, message: string): void {
    this.#tell({ type, reason, message });
  }
}
