import { CommandError, runCommand } from '#base/command.ts';
import { sleep, type Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { EndpointSlice } from '#api/discovery-v1/endpoint-slice.ts';
import type { Service } from '#api/core-v1/service.ts';
import type { Informer } from '#client/informer.ts';
import {
  changedTable,
  tableName,
  wholeTable,
  type OpenPorts,
  type TableFrame,
} from '#agent/network/nft-table.ts';
import { mergeRules, rulesOf, type ServiceRules } from '#agent/network/service-rules.ts';

export interface ServiceSyncOptions extends TableFrame {
  readonly nodeName: string;
  /** Of this machine, where no Service may be, whatever it says. */
  readonly ownPorts: OpenPorts;
  readonly services: Informer<Service>;
  readonly slices: Informer<EndpointSlice>;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Changes come in groups; the table is changed at most once in this time. */
const PAUSE_MS = 20;
/** After a load that failed, which is logged. */
const RETRY_MS = 1_000;
/** Whoever loads a ruleset of his own with `flush ruleset` takes ours away: it is back within this time. */
const LOOK_MS = 30_000;

/**
 * Keeps the instance's nftables table equal to the Services and EndpointSlices, one load at a time: the whole table first
 * and after a failure, then what changed, so that a change costs what it changes and clients stay with their endpoints.
 */
export class ServiceSync implements AsyncDisposable {
  readonly #options: ServiceSyncOptions;
  readonly #ownPorts: ReadonlySet<string>;
  readonly #subscriptions: Disposable[];
  readonly #signal: AbortSignal;
  #running: Promise<void> | undefined;
  readonly #stop = new AbortController();
  readonly #slices = new Map<string, Map<string, EndpointSlice>>();
  /** Of each Service that has any, and which of them are to be made anew. */
  readonly #rules = new Map<string, ServiceRules>();
  readonly #changed = new Set<string>();
  #loaded: ServiceRules | undefined;
  #wake = Promise.withResolvers<void>();

  constructor(options: ServiceSyncOptions) {
    this.#options = options;
    const { tcp, udp } = options.ownPorts;
    this.#ownPorts = new Set([
      ...tcp.map((port) => `tcp/${port}`),
      ...udp.map((port) => `udp/${port}`),
    ]);
    this.#subscriptions = [
      options.services.onChange(({ current, previous }) =>
        this.#touch(keyOf((current ?? previous).metadata)),
      ),
      options.slices.onChange(({ current, previous }) => {
        if (previous) this.#dropSlice(previous);
        if (current) this.#putSlice(current);
      }),
    ];
    this.#signal = AbortSignal.any([options.signal, this.#stop.signal]);
    this.#signal.addEventListener('abort', () => this.#wake.resolve(), { once: true });
  }

  /** Loads the table as it has to be now, then follows; throws where nft refuses it. */
  async start(): Promise<void> {
    await this.#load();
    this.#running = this.#run(this.#signal);
  }

  async #load(): Promise<void> {
    const from = this.#loaded;
    if (from && this.#changed.size === 0) return;
    const to = this.#desired();
    const text = from ? changedTable(this.#options, { from, to }) : wholeTable(this.#options, to);
    // Unknown until nft has said so: after a failure the whole table is loaded.
    this.#loaded = undefined;
    if (text !== '') await runCommand(['nft', '-f', '-'], { input: text });
    this.#loaded = to;
  }

  #desired(): ServiceRules {
    const { services, nodeName, ranges } = this.#options;
    const { pods, podFacing } = ranges;
    for (const key of this.#changed) {
      const [namespace = '', name = ''] = key.split('/');
      const service = services.get({ namespace, name });
      const slices = [...(this.#slices.get(key)?.values() ?? [])];
      const node = { nodeName, pods, podFacing, ownPorts: this.#ownPorts };
      const rules = service && rulesOf(service, slices, node);
      if (rules && rules.chains.size > 0) this.#rules.set(key, rules);
      else this.#rules.delete(key);
    }
    this.#changed.clear();
    return mergeRules(this.#rules.values());
  }

  #putSlice(slice: EndpointSlice): void {
    const key = serviceOf(slice);
    const known = this.#slices.get(key) ?? new Map<string, EndpointSlice>();
    known.set(slice.metadata.name ?? '', slice);
    this.#slices.set(key, known);
    this.#touch(key);
  }

  #dropSlice(slice: EndpointSlice): void {
    const key = serviceOf(slice);
    const known = this.#slices.get(key);
    known?.delete(slice.metadata.name ?? '');
    if (known?.size === 0) this.#slices.delete(key);
    this.#touch(key);
  }

  #touch(key: string): void {
    this.#changed.add(key);
    this.#wake.resolve();
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    while (!signal.aborted) {
      let pauseMs = PAUSE_MS;
      try {
        using _timer = clock.after(LOOK_MS, () => this.#wake.resolve());
        await this.#wake.promise;
        if (signal.aborted) return;
        this.#wake = Promise.withResolvers<void>();
        if (this.#changed.size === 0 && !(await this.#isThere())) this.#loaded = undefined;
        await this.#load();
      } catch (error) {
        log.error('agent: the service rules could not be loaded', { error });
        this.#wake.resolve();
        pauseMs = RETRY_MS;
      }
      await sleep(clock, pauseMs, signal).catch(() => undefined);
    }
  }

  async #isThere(): Promise<boolean> {
    const table = tableName(this.#options.instance);
    try {
      await runCommand(['nft', 'list', 'chain', 'ip', table, 'services']);
      return true;
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      this.#options.log.warn('agent: the service rules were removed by somebody, and come back');
      return false;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const subscription of this.#subscriptions) subscription[Symbol.dispose]();
    this.#stop.abort();
    await this.#running;
  }
}

function keyOf(metadata: Service['metadata']): string {
  return `${metadata.namespace ?? ''}/${metadata.name ?? ''}`;
}

function serviceOf({ metadata }: EndpointSlice): string {
  return `${metadata.namespace ?? ''}/${metadata.labels?.['kubernetes.io/service-name'] ?? ''}`;
}
