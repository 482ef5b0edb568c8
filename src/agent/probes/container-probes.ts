import type { Container, Probe } from '#api/generated/core-v1.ts';
import type { AgentParts } from '#agent/agent-parts.ts';
import type { PodSandbox } from '#agent/pods/pod-sandbox.ts';
import { probeOnce } from '#agent/probes/probe.ts';
import { runProber } from '#agent/probes/prober.ts';
import type { PodEvent } from '#agent/pods/pod-events.ts';

interface Options {
  readonly parts: AgentParts;
  readonly sandbox: PodSandbox;
  readonly container: Container;
  /** Whether it was ready in the eyes of the process that ran it before. */
  readonly wasReady: boolean;
  readonly onChange: () => void;
  readonly tell: (event: PodEvent) => void;
  /** Ends the container, because of `why`; `graceSeconds` is the probe's own where it has one. */
  readonly end: (why: string, graceSeconds: number | undefined) => void;
}

type ProbeName = 'Startup' | 'Readiness' | 'Liveness';

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
          this.#probe('Readiness', readinessProbe, { id, signal }, (isSuccess) => {
            this.#isReady = isSuccess;
            this.#options.onChange();
          }),
        livenessProbe &&
          this.#probe('Liveness', livenessProbe, { id, signal }, (isSuccess) => {
            if (!isSuccess) this.#end('Liveness', livenessProbe);
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
    await this.#probe('Startup', probe, { id, signal: until }, (isSuccess) => {
      if (isSuccess) done.abort();
      else this.#end('Startup', probe);
    }).catch((error: unknown) => {
      if (!done.signal.aborted) throw error;
    });
  }

  #probe(
    name: ProbeName,
    probe: Probe,
    { id, signal }: { id: string; signal: AbortSignal },
    onChange: (isSuccess: boolean) => void,
  ): Promise<void> {
    const { parts, sandbox, container, tell } = this.#options;
    const { runtime, execs, clock } = parts;
    const target = { address: sandbox.address, container, id, runtime, execs };
    const ask = (): Promise<string> => probeOnce(probe, target, signal);
    const onFailure = (reason: string): void =>
      tell({ type: 'Warning', reason: 'Unhealthy', message: `${name} probe failed: ${reason}` });
    const isEager = name !== 'Liveness';
    return runProber({ probe, ask, clock, isEager, onChange, onFailure }, signal);
  }

  #end(name: ProbeName, { terminationGracePeriodSeconds }: Probe): void {
    const why = `failed ${name.toLowerCase()} probe`;
    this.#options.end(why, terminationGracePeriodSeconds);
  }
}
