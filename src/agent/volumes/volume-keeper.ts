import { isDeepStrictEqual } from 'node:util';
import { sleep, type Clock } from '#base/clock.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import {
  configDependencies,
  tellsOfPod,
  tokenRenewalSeconds,
} from '#agent/volumes/config-files.ts';

export interface KeptVolumes {
  readonly clock: Clock;
  readonly pod: Pod;
  /** Brings the volumes up to date, however often that has to be tried. */
  readonly write: (signal: AbortSignal) => Promise<void>;
}

/** Without anything that expires: often enough that whatever was missed does not stay for long. */
const IDLE_MS = 24 * 60 * 60 * 1000;

/** Keeps the files of a running pod's volumes as the API has them: when that changes, and before tokens expire. */
export class VolumeKeeper {
  readonly #volumes: KeptVolumes;
  readonly #dependencies: ReadonlySet<string>;
  readonly #periodMs: number;
  readonly #tellsOfPod: boolean;
  #wake = new AbortController();

  constructor(volumes: KeptVolumes) {
    const { spec } = volumes.pod;
    this.#volumes = volumes;
    this.#dependencies = configDependencies(spec?.volumes);
    this.#tellsOfPod = tellsOfPod(spec?.volumes);
    const seconds = tokenRenewalSeconds(spec?.volumes);
    this.#periodMs = seconds === undefined ? IDLE_MS : seconds * 1000;
  }

  /** Something in the API has changed: `ConfigMap/name`. */
  configChanged(namespace: string, dependency: string): void {
    if (namespace !== this.#volumes.pod.metadata.namespace) return;
    if (this.#dependencies.has(dependency)) this.#wake.abort();
  }

  podChanged(previous: Pod, current: Pod): void {
    const told = ({ metadata: { labels, annotations } }: Pod): unknown => [labels, annotations];
    if (!this.#tellsOfPod || isDeepStrictEqual(told(previous), told(current))) return;
    this.#wake.abort();
  }

  /** Goes on until `signal` is aborted; the first look is after `firstMs`. */
  async run(signal: AbortSignal, firstMs = this.#periodMs): Promise<void> {
    for (let waitMs = firstMs; ; waitMs = this.#periodMs) {
      const either = AbortSignal.any([signal, this.#wake.signal]);
      await sleep(this.#volumes.clock, waitMs, either).catch(() => undefined);
      if (signal.aborted) return;
      // What changes from now on is seen by the next round.
      if (this.#wake.signal.aborted) this.#wake = new AbortController();
      try {
        await this.#volumes.write(signal);
      } catch (error) {
        if (signal.aborted) return;
        throw error;
      }
    }
  }
}
