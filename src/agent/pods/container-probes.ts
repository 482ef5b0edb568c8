import type { Probe } from '#api/generated/core-v1.ts';
import type { RunnerOptions } from '#agent/pods/container-runner.ts';
import { probeOnce } from '#agent/pods/probe.ts';
import { runProber } from '#agent/pods/prober.ts';

type Options = Pick<RunnerOptions, 'parts' | 'sandbox' | 'container' | 'wasReady' | 'onChange'>;

/** The probes of one container: whether it has started, is ready, and is to live on. */
export class ContainerProbes {
  readonly #options: Options;
  #isReady: boolean;
  #isStarted: boolean;

  constructor(options: Options) {
    this.#options = options;
    this.#isReady = options.wasReady;
    this.#isStarted = options.wasReady;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  get isStarted(): boolean {
    return this.#isStarted;
  }

  /** The container has ended; the next attempt begins unready. */
  reset(): void {
    this.#isReady = false;
    this.#isStarted = false;
  }

  /** Probes until `signal` is aborted; never rejects. */
  async run(id: string, signal: AbortSignal): Promise<void> {
    const { startupProbe, readinessProbe, livenessProbe } = this.#options.container;
    try {
      if (startupProbe && !this.#isStarted) await this.#hasStarted(startupProbe, id, signal);
      this.#isStarted = true;
      if (!readinessProbe) this.#isReady = true;
      this.#options.onChange();
      await Promise.all([
        readinessProbe &&
          this.#probe(readinessProbe, { id, isEager: true, signal }, (isSuccess) => {
            this.#isReady = isSuccess;
            this.#options.onChange();
          }),
        livenessProbe &&
          this.#probe(livenessProbe, { id, isEager: false, signal }, (isSuccess) => {
            if (!isSuccess) this.#kill(id);
          }),
      ]);
    } catch (error) {
      if (!signal.aborted)
        this.#options.parts.log.error('agent: probing ended', { container: id, error });
    }
  }

  /** Resolves at the first success; a startup probe that fails ends the container, which ends `signal`. */
  async #hasStarted(probe: Probe, id: string, signal: AbortSignal): Promise<void> {
    const done = new AbortController();
    const until = AbortSignal.any([signal, done.signal]);
    await this.#probe(probe, { id, isEager: true, signal: until }, (isSuccess) => {
      if (isSuccess) done.abort();
      else this.#kill(id);
    }).catch((error: unknown) => {
      if (!done.signal.aborted) throw error;
    });
  }

  #probe(
    probe: Probe,
    { id, isEager, signal }: { id: string; isEager: boolean; signal: AbortSignal },
    onChange: (isSuccess: boolean, reason: string) => void,
  ): Promise<void> {
    const { parts, sandbox, container } = this.#options;
    const target = { address: sandbox.address, container, id, runtime: parts.runtime };
    const ask = (): Promise<string> => probeOnce(probe, target);
    return runProber({ probe, ask, clock: parts.clock, isEager, onChange }, signal);
  }

  #kill(id: string): void {
    const { runtime, log } = this.#options.parts;
    runtime.kill(id, 'SIGKILL').catch((error: unknown) => {
      log.error('agent: a container that failed its probe could not be ended', {
        container: id,
        error,
      });
    });
  }
}
