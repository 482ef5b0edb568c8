import { runCommand } from '#base/command.ts';
import { sleep, type Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { EndpointSlice } from '#api/discovery-v1/endpoint-slice.ts';
import type { Service } from '#api/core-v1/service.ts';
import type { Informer } from '#client/informer.ts';
import type { NetworkRanges } from '#agent/network/ranges.ts';
import { renderRules, type OpenPorts } from '#agent/network/service-rules.ts';

export interface ServiceSyncOptions {
  readonly instance: string;
  readonly ranges: NetworkRanges;
  readonly openPorts: OpenPorts;
  readonly services: Informer<Service>;
  readonly slices: Informer<EndpointSlice>;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Changes come in groups; the table is loaded at most once in this time. */
const PAUSE_MS = 20;
/** After a load that failed, which is logged. */
const RETRY_MS = 1_000;

/** Keeps the instance's nftables table equal to the Services and EndpointSlices, one load at a time. */
export class ServiceSync implements AsyncDisposable {
  readonly #options: ServiceSyncOptions;
  readonly #subscriptions: Disposable[];
  readonly #running: Promise<void>;
  readonly #stop = new AbortController();
  #openPorts: OpenPorts;
  #loaded: string | undefined;
  #wake = Promise.withResolvers<void>();

  constructor(options: ServiceSyncOptions) {
    this.#options = options;
    this.#openPorts = options.openPorts;
    // Reads the field when it is called: the promise to wake is another after every wake.
    const changed = (): void => this.#wake.resolve();
    this.#subscriptions = [options.services.onChange(changed), options.slices.onChange(changed)];
    const signal = AbortSignal.any([options.signal, this.#stop.signal]);
    signal.addEventListener('abort', changed, { once: true });
    this.#running = this.#run(signal);
  }

  /** Loads the table as it has to be now; throws where nft refuses it. */
  async load(): Promise<void> {
    const { instance, ranges, services, slices } = this.#options;
    const openPorts = this.#openPorts;
    const listed = { services: services.list(), slices: slices.list() };
    const rules = renderRules({ instance, ranges, openPorts, ...listed });
    if (rules === this.#loaded) return;
    await runCommand(['nft', '-f', '-'], { input: rules });
    this.#loaded = rules;
  }

  /** Which ports of the pod-facing address pods may reach from now on. */
  async open(ports: OpenPorts): Promise<void> {
    this.#openPorts = ports;
    await this.load();
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    for (;;) {
      await this.#wake.promise;
      if (signal.aborted) return;
      this.#wake = Promise.withResolvers<void>();
      let pauseMs = PAUSE_MS;
      try {
        await this.load();
      } catch (error) {
        log.error('agent: the service rules could not be loaded', { error });
        this.#wake.resolve();
        pauseMs = RETRY_MS;
      }
      await sleep(clock, pauseMs, signal).catch(() => undefined);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const subscription of this.#subscriptions) subscription[Symbol.dispose]();
    this.#stop.abort();
    await this.#running;
  }
}
