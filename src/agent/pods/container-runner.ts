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
import { ConfigReader } from '#agent/pods/config-reader.ts';
import { ContainerProblem } from '#agent/pods/container-problem.ts';
import { ContainerProbes } from '#agent/pods/container-probes.ts';
import { pullImage } from '#agent/pods/image-pull.ts';
import { keepRotated } from '#agent/pods/log-rotation.ts';
import type { ContainerRecord } from '#agent/pods/pod-record.ts';
import type { PodSandbox } from '#agent/pods/pod-sandbox.ts';
import { timestamp } from '#agent/pods/pod-status.ts';
import { FORGIVEN_MS, isRestarted, restartDelayMs } from '#agent/pods/restart.ts';
import { terminationMessage } from '#agent/pods/termination-message.ts';
import { RuntimeError, type ContainerExit } from '#agent/runtime/runtime.ts';

export interface RunnerOptions {
  readonly parts: AgentParts;
  readonly sandbox: PodSandbox;
  readonly container: Container;
  /** The newest object of the pod. */
  readonly pod: () => Pod;
  readonly isInit: boolean;
  /** Whether it was ready in the eyes of the process that ran it before; it stays so until a probe says otherwise. */
  readonly wasReady: boolean;
  readonly onChange: () => void;
}

/** How often something missing from the configuration is looked for again. */
const CONFIG_RETRY_MS = 2_000;
/** Longest from SIGKILL to the word that it has ended. */
const KILLED_MS = 10_000;

/** One container of one pod: made, started, probed, restarted as its policy says. */
export class ContainerRunner {
  readonly #options: RunnerOptions;
  readonly #probes: ContainerProbes;
  #state: ContainerState = { waiting: { reason: 'ContainerCreating' } };
  #crashes = 0;

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#probes = new ContainerProbes(options);
    const record = this.#record;
    if (record?.terminated) this.#state = { terminated: record.terminated };
    else if (record?.startedAt) this.#state = { running: { startedAt: record.startedAt } };
    else if (options.isInit) this.#state = { waiting: { reason: 'PodInitializing' } };
  }

  get status(): ContainerStatus {
    const { container } = this.#options;
    const record = this.#record;
    const isRunning = this.#state.running !== undefined;
    const last = this.#state.terminated ? record?.last : (record?.terminated ?? record?.last);
    return {
      name: container.name,
      image: container.image ?? '',
      imageID: record ? imageID(record) : '',
      ...(record && { containerID: `runc://${record.id}` }),
      ready: this.#options.isInit
        ? this.#state.terminated?.exitCode === 0
        : isRunning && this.#probes.isReady,
      started: isRunning && this.#probes.isStarted,
      restartCount: record?.attempt ?? 0,
      state: this.#state,
      ...(last && { lastState: { terminated: last } }),
    };
  }

  /** Resolves with the last exit code once the container will not run again. Rejects with the signal's reason. */
  async run(signal: AbortSignal): Promise<number> {
    const policy = this.#options.pod().spec?.restartPolicy ?? 'Always';
    const { isInit, parts } = this.#options;
    for (;;) {
      const terminated = this.#record?.terminated ?? (await this.#runOnce(signal));
      if (!isRestarted({ policy, isInit, exitCode: terminated.exitCode }))
        return terminated.exitCode;
      this.#crashes = ranLong(terminated) ? 1 : this.#crashes + 1;
      const delayMs = restartDelayMs(this.#crashes);
      if (delayMs > 0) {
        this.#waits('CrashLoopBackOff', this.#backOffMessage(delayMs));
        await sleep(parts.clock, delayMs, signal);
      }
      await this.#make(signal);
    }
  }

  /** SIGTERM, then SIGKILL after `graceMs`; resolves when it has ended. At once where it does not run. */
  async stop(graceMs: number): Promise<void> {
    const { sandbox, parts, container } = this.#options;
    const record = this.#record;
    if (!record || record.terminated) return;
    const state = sandbox.stateOf(record.id);
    if (state === undefined) return;
    if (state === 'running') {
      const grace = new AbortController();
      using _timer = parts.clock.after(graceMs, () => grace.abort());
      if (graceMs > 0) await parts.runtime.kill(record.id, 'SIGTERM');
      await parts.runtime.exited(record.id, grace.signal).catch(() => undefined);
      if (grace.signal.aborted) await parts.runtime.kill(record.id, 'SIGKILL');
      await this.#endedSoon(record);
      return;
    }
    await sandbox.release(container.name);
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
    const { sandbox, parts, container, onChange } = this.#options;
    const startedAt = made.startedAt ?? timestamp(parts.clock.now());
    this.#state = { running: { startedAt } };
    const stop = new AbortController();
    const lives = AbortSignal.any([signal, stop.signal]);
    const probing = this.#probes.run(made.id, lives);
    const rotating = this.#rotateLog(made, lives);
    onChange();
    try {
      if (!made.startedAt) await sandbox.note(container.name, { ...made, startedAt });
      const exit = await parts.runtime.exited(made.id, signal);
      await this.#ended(exit);
    } catch (error) {
      // Without a word of how it ended, it counts as lost.
      if (!(error instanceof RuntimeError)) throw error;
    } finally {
      stop.abort();
      await Promise.all([probing, rotating]);
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

  /** Pulls and creates until there is a container, or one that could not be started. */
  async #make(signal: AbortSignal): Promise<void> {
    const { parts, sandbox, container, pod } = this.#options;
    const waiting = (reason: string, message?: string): void => this.#waits(reason, message);
    for (;;) {
      const image = await pullImage(container, { parts, pod: pod(), waiting, signal });
      if (!this.#record) waiting('ContainerCreating');
      try {
        const reader = new ConfigReader(parts.client, pod().metadata.namespace ?? '');
        await sandbox.createContainer(pod(), container, { image, reader });
        return;
      } catch (error) {
        if (error instanceof RuntimeError) {
          await this.#startFailed(error);
          return;
        }
        await sandbox.forget(container.name);
        if (!(error instanceof ContainerProblem)) throw error;
        waiting(error.reason, error.message);
        await sleep(parts.clock, CONFIG_RETRY_MS, signal);
      }
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
  #startFailed(error: RuntimeError): Promise<ContainerStateTerminated> {
    return this.#conclude({ exitCode: 128, reason: 'StartError', message: error.message });
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
    this.#state = { terminated };
    onChange();
    await sandbox.note(container.name, { ...record, terminated });
    await sandbox.release(container.name);
    return terminated;
  }

  #waits(reason: string, message?: string): void {
    this.#state = { waiting: { reason, ...(message !== undefined && { message }) } };
    this.#options.onChange();
  }

  #backOffMessage(delayMs: number): string {
    const { name, namespace, uid } = this.#options.pod().metadata;
    return `back-off ${delayMs / 1000}s restarting failed container=${this.#options.container.name} pod=${name}_${namespace}(${uid})`;
  }
}

function ranLong({ startedAt = '', finishedAt = '' }: ContainerStateTerminated): boolean {
  return Date.parse(finishedAt) - Date.parse(startedAt) >= FORGIVEN_MS;
}

/** `repository@sha256:…`, also where the spec names a tag. */
function imageID({ image, imageID: digest }: ContainerRecord): string {
  const repository = image.replace(/@.*$/, '').replace(/:[^/:]*$/, '');
  return `${repository}@${digest}`;
}
