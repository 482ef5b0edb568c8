import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Metrics } from '#telemetry/metrics.ts';
import { listenForScrapes, type MetricsListener } from '#telemetry/metrics-listener.ts';
import { metricsMessage } from '#telemetry/otlp-message.ts';
import { NotSent, type OtlpProtocol, type OtlpTarget, sendOtlp } from '#telemetry/otlp-sender.ts';
import { prometheusText } from '#telemetry/prometheus-text.ts';
import type { Resource } from '#telemetry/resource.ts';

/** How metrics are told. */
export type MetricsTarget =
  | { readonly protocol: 'none' }
  | { readonly protocol: 'prometheus'; readonly host: string; readonly port: number }
  | {
      readonly protocol: OtlpProtocol;
      readonly endpoint: string;
      readonly intervalMs: number;
    };

export interface MetricsTellerOptions {
  readonly metrics: Metrics;
  readonly resource: Resource;
  readonly addressOf: OtlpTarget['addressOf'];
  readonly clock: Clock;
  readonly log: Log;
}

/** A port that another program has may be free a little later. */
const LISTEN_AGAIN_MS = 5_000;

/** Tells what a process measures to whom the configuration names, which may change at any time. */
export class MetricsTeller implements AsyncDisposable {
  readonly #options: MetricsTellerOptions;
  readonly #sinceMs: number;
  #target: MetricsTarget = { protocol: 'none' };
  #listener: MetricsListener | undefined;
  #timer: Disposable | undefined;
  /** One change after the other. */
  #changing: Promise<void> = Promise.resolve();
  #hasFailed = false;

  constructor(options: MetricsTellerOptions) {
    this.#options = options;
    this.#sinceMs = options.clock.now().getTime();
  }

  /** Where scrapes are answered now; undefined where they are not. */
  get port(): number | undefined {
    return this.#listener?.port;
  }

  /** From now on so. Resolves when it is; never rejects: what does not work is logged and tried again. */
  async tell(target: MetricsTarget): Promise<void> {
    if (JSON.stringify(target) === JSON.stringify(this.#target)) return await this.#changing;
    this.#target = target;
    this.#hasFailed = false;
    this.#changing = this.#changing.then(async () => await this.#change(target));
    await this.#changing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.tell({ protocol: 'none' });
  }

  async #change(target: MetricsTarget): Promise<void> {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    await this.#listener?.[Symbol.asyncDispose]();
    this.#listener = undefined;
    if (target.protocol === 'none' || target !== this.#target) return;
    if (target.protocol === 'prometheus') await this.#listen(target);
    else this.#sendLater(target);
  }

  async #listen(target: Extract<MetricsTarget, { protocol: 'prometheus' }>): Promise<void> {
    const { clock, log, metrics, resource } = this.#options;
    try {
      this.#listener = await listenForScrapes(target, () => prometheusText(metrics, resource));
      log.info('metrics are told', { at: `http://${target.host}:${this.#listener.port}/metrics` });
    } catch (error) {
      if (!this.#hasFailed) log.error('metrics cannot be told there, will try again', { error });
      this.#hasFailed = true;
      this.#timer = clock.after(LISTEN_AGAIN_MS, () => {
        this.#changing = this.#changing.then(async () => await this.#change(target));
      });
    }
  }

  #sendLater(target: Extract<MetricsTarget, { intervalMs: number }>): void {
    this.#timer = this.#options.clock.after(target.intervalMs, () => void this.#send(target));
  }

  async #send(target: Extract<MetricsTarget, { intervalMs: number }>): Promise<void> {
    const { clock, log, metrics, resource, addressOf } = this.#options;
    const { protocol, endpoint } = target;
    const period = { sinceMs: this.#sinceMs, nowMs: clock.now().getTime() };
    try {
      const message = metricsMessage(metrics, resource, period);
      await sendOtlp({ protocol, endpoint, signal: 'metrics', addressOf }, message);
      this.#hasFailed = false;
    } catch (error) {
      if (!(error instanceof NotSent)) throw error;
      // Told once for as long as it lasts; the next ones carry all that this one would have.
      if (!this.#hasFailed) log.warn(error.message);
      this.#hasFailed = true;
    }
    if (target === this.#target) this.#sendLater(target);
  }
}
