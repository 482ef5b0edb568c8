import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Metrics } from '#telemetry/metrics.ts';
import { spansMessage } from '#telemetry/otlp-message.ts';
import { NotSent, type OtlpProtocol, type OtlpTarget, sendOtlp } from '#telemetry/otlp-sender.ts';
import type { Resource } from '#telemetry/resource.ts';
import type { Span } from '#telemetry/span.ts';

/** To whom spans are told. */
export type SpanTarget =
  | { readonly protocol: 'none' }
  /** A line of JSON each, where the process writes. */
  | { readonly protocol: 'stdout' }
  | { readonly protocol: OtlpProtocol; readonly endpoint: string };

export interface SpanTellerOptions {
  /** Where those that nobody was told are counted. */
  readonly metrics: Metrics;
  readonly resource: Resource;
  /** Which part makes the spans. */
  readonly scope: string;
  readonly addressOf: OtlpTarget['addressOf'];
  readonly write: (line: string) => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** OpenTelemetry's own figures for a batch, and for what waits while a collector is slow. */
const BATCH_MAX = 512;
const WAITING_MAX = 2_048;
const DELAY_MS = 5_000;

const DROPPED = {
  name: 'knode.spans.dropped',
  unit: '{span}',
  description: 'Spans that nobody was told, because a collector was slow or away',
};

/** Tells spans in batches. Nobody ever waits for it: what finds no place is dropped and counted. */
export class SpanTeller implements AsyncDisposable {
  readonly #options: SpanTellerOptions;
  readonly #dropped: { add(amount?: number): void };
  #target: SpanTarget = { protocol: 'none' };
  #waiting: Span[] = [];
  #timer: Disposable | undefined;
  #sending: Promise<void> | undefined;
  #hasFailed = false;

  constructor(options: SpanTellerOptions) {
    this.#options = options;
    const { metrics, scope } = options;
    this.#dropped = metrics.counter({ ...DROPPED, scope }).of({});
  }

  /** Whether it makes sense to make spans. */
  get isTelling(): boolean {
    return this.#target.protocol !== 'none';
  }

  /** From now on so; what waits goes there too. */
  tell(target: SpanTarget): void {
    if (JSON.stringify(target) === JSON.stringify(this.#target)) return;
    this.#target = target;
    this.#hasFailed = false;
    if (!this.isTelling) this.#drop(this.#waiting.splice(0).length);
  }

  add(span: Span): void {
    const { protocol } = this.#target;
    if (protocol === 'none') return;
    if (protocol === 'stdout') this.#options.write(`${JSON.stringify(span)}\n`);
    else if (this.#waiting.length >= WAITING_MAX) this.#drop(1);
    else {
      this.#waiting.push(span);
      if (this.#waiting.length >= BATCH_MAX) this.#flush();
      else this.#timer ??= this.#options.clock.after(DELAY_MS, () => this.#flush());
    }
  }

  /** Tells what waits, once and for no longer than one message may take. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sending;
    this.#flush();
    this.#timer?.[Symbol.dispose]();
    const sending = this.#sending;
    this.#target = { protocol: 'none' };
    await sending;
  }

  #flush(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    if (this.#sending || this.#waiting.length === 0) return;
    this.#sending = this.#send(this.#waiting.splice(0, BATCH_MAX)).finally(() => {
      this.#sending = undefined;
      if (this.#waiting.length > 0 && this.isTelling) {
        this.#timer ??= this.#options.clock.after(0, () => this.#flush());
      }
    });
  }

  async #send(batch: readonly Span[]): Promise<void> {
    const target = this.#target;
    if (target.protocol === 'none' || target.protocol === 'stdout') return;
    const { resource, scope, addressOf, log } = this.#options;
    try {
      const { protocol, endpoint } = target;
      const message = spansMessage(batch, resource, scope);
      await sendOtlp({ protocol, endpoint, signal: 'traces', addressOf }, message);
      this.#hasFailed = false;
    } catch (error) {
      if (!(error instanceof NotSent)) throw error;
      this.#drop(batch.length);
      if (!this.#hasFailed) log.warn(error.message);
      this.#hasFailed = true;
    }
  }

  #drop(count: number): void {
    if (count > 0) this.#dropped.add(count);
  }
}
