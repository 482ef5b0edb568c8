import type { ColdStart } from '#base/cold-start.ts';

export interface ColdStartsOptions {
  /** What whoever starts pods knows of one; it may know more later, and nothing once the pod is long gone. */
  readonly startOf: (
    pod: Pick<ColdStart, 'namespace' | 'pod'>,
  ) => Pick<ColdStart, 'begunMs' | 'startedMs'> | undefined;
}

const KEPT_MAX = 64;

/** The newest cold starts. */
export class ColdStarts {
  readonly #options: ColdStartsOptions;
  readonly #kept: ColdStart[] = [];

  constructor(options: ColdStartsOptions) {
    this.#options = options;
  }

  add(coldStart: ColdStart): void {
    this.#kept.push(coldStart);
    if (this.#kept.length > KEPT_MAX) this.#kept.shift();
  }

  /** In the order of their ends. */
  list(): readonly ColdStart[] {
    return this.#kept.map((coldStart) => ({ ...coldStart, ...this.#options.startOf(coldStart) }));
  }
}
