import type { Container, ContainerStatus } from '#api/generated/core-v1.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import type { ContainerRunner } from '#agent/pods/container-runner.ts';

export interface EphemeralOptions {
  readonly runnerFor: (container: Container) => ContainerRunner;
  readonly onFailure: (error: unknown) => void;
  /** While it is not aborted they run; then they are left as they are. */
  readonly signal: AbortSignal;
}

/** What somebody puts into a pod while it runs, to look around (`kubectl debug`): each begins when it comes, and not again. */
export class EphemeralContainers {
  readonly #options: EphemeralOptions;
  readonly #runners = new Map<string, ContainerRunner>();
  readonly #running = new Set<Promise<void>>();

  constructor(options: EphemeralOptions) {
    this.#options = options;
  }

  get runners(): readonly ContainerRunner[] {
    return [...this.#runners.values()];
  }

  /** In the order of the spec, of those that have begun. */
  get statuses(): readonly ContainerStatus[] {
    return this.runners.map(({ status }) => status);
  }

  /** Begins those of the newest object that are new. */
  observe({ spec }: Pod): void {
    const { runnerFor, onFailure, signal } = this.#options;
    for (const container of spec?.ephemeralContainers ?? []) {
      if (signal.aborted || this.#runners.has(container.name)) continue;
      const runner = runnerFor(container);
      this.#runners.set(container.name, runner);
      const running: Promise<void> = runner
        .run(signal)
        .then(() => undefined)
        .catch((error: unknown) => {
          if (!signal.aborted) onFailure(error);
        })
        .finally(() => this.#running.delete(running));
      this.#running.add(running);
    }
  }

  /** Resolves when, after the abort, nobody looks after them any more. */
  async left(): Promise<void> {
    await Promise.all(this.#running);
  }
}
