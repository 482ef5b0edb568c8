import { isDeepStrictEqual } from 'node:util';
import { backoffMs } from '#base/backoff.ts';
import { sleep } from '#base/clock.ts';
import { hasReason } from '#api/meta/api-error.ts';
import { Pod } from '#api/core-v1/pod.ts';
import type { AgentParts } from '#agent/agent-parts.ts';
import type { PodStatus } from '#agent/pods/pod-status.ts';

const RETRY = { firstMs: 20, maxMs: 5_000, jitter: 0.3 };

type Parts = Pick<AgentParts, 'client' | 'clock' | 'random' | 'log'>;

/** Keeps one pod's status in the API equal to what `build` says: one write at a time, the newest state, none twice. */
export class StatusWriter {
  readonly #parts: Parts;
  readonly #build: (pod: Pod) => PodStatus;
  readonly #stop = new AbortController();
  #pod: Pod;
  #isDirty = false;
  #running: Promise<void> | undefined;

  constructor(parts: Parts, pod: Pod, build: (pod: Pod) => PodStatus) {
    this.#parts = parts;
    this.#pod = pod;
    this.#build = build;
  }

  /** The newest object that somebody else wrote. */
  observe(pod: Pod): void {
    this.#pod = pod;
  }

  /** Says that `build` has something new to say. */
  changed(): void {
    this.#isDirty = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  /** Resolves when everything said so far is written, or cannot be any more. */
  async written(): Promise<void> {
    await this.#running;
  }

  stop(): void {
    this.#stop.abort();
  }

  async #run(): Promise<void> {
    const { clock, random, log } = this.#parts;
    const { signal } = this.#stop;
    for (let failures = 0; this.#isDirty && !signal.aborted;) {
      this.#isDirty = false;
      try {
        if (!(await this.#write())) return;
        failures = 0;
      } catch (error) {
        failures += 1;
        this.#isDirty = true;
        const { namespace, name } = this.#pod.metadata;
        if (failures > 1)
          log.warn('agent: a pod status could not be written', { namespace, pod: name, error });
        await sleep(clock, backoffMs(RETRY, failures, random), signal).catch(() => undefined);
      }
    }
  }

  /** False where the pod is gone. */
  async #write(): Promise<boolean> {
    const status = this.#build(this.#pod);
    if (isDeepStrictEqual(status, this.#pod.status)) return true;
    try {
      this.#pod = await this.#parts.client.updateStatus(Pod, { ...this.#pod, status });
      return true;
    } catch (error) {
      if (hasReason(error, 'NotFound')) return false;
      if (!hasReason(error, 'Conflict')) throw error;
      const { namespace = '', name = '', uid } = this.#pod.metadata;
      const newest = await this.#parts.client.get(Pod, { namespace, name });
      if (newest?.metadata.uid !== uid || !newest) return false;
      this.#pod = newest;
      this.#isDirty = true;
      return true;
    }
  }
}
