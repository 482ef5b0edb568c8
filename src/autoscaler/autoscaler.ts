import type { Clock } from '#base/clock.ts';
import type { ColdStart } from '#base/cold-start.ts';
import type { Log } from '#base/log.ts';
import type { Metrics } from '#telemetry/metrics.ts';
import { AfterColdStarts } from '#autoscaler/after-cold-starts.ts';
import type { ColdStartsOptions } from '#autoscaler/cold-starts.ts';
import type { ScaleDecision } from '#autoscaler/decide-scale.ts';
import type { HeadStart, StartingPod } from '#autoscaler/head-start.ts';
import { startMeasurementServer, type MeasurementServer } from '#autoscaler/measurement-server.ts';
import type { FromGateway } from '#autoscaler/measurements.ts';
import {
  RevisionScaler,
  type ReportedLoad,
  type ScaleTarget,
} from '#autoscaler/revision-scaler.ts';
import { ColdStartMeter, meterScalers } from '#autoscaler/scale-meter.ts';
import type { Key, Trigger } from '#reconcile/controller.ts';

export interface AutoscalerOptions {
  /** Of the measurement channel. */
  readonly socketPath: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Absent where replica counts alone start pods. */
  readonly headStart?: HeadStart;
  /** Where the time of a cold start went, as far as gateways and the autoscaler know. */
  readonly onColdStart?: (coldStart: ColdStart) => void;
  /** What whoever starts pods knows of one. */
  readonly startOf?: ColdStartsOptions['startOf'];
  /** Where decisions and cold starts are measured; nowhere where absent. */
  readonly metrics?: Metrics;
}

/**
 * Turns what gateways measure into wanted numbers of pods. It decides every two seconds and at once on a demand; the
 * PodAutoscaler controller alone acts on the API. Nothing here outlives the process.
 */
export interface Autoscaler extends AsyncDisposable {
  /** Tells of a revision, at each reconcile of its PodAutoscaler; returns the decision that stands. */
  observe(target: ScaleTarget): ScaleDecision;
  /** The PodAutoscaler is gone. */
  forget(key: Key): void;
  /** Enqueues a PodAutoscaler whenever its decision has changed. */
  readonly trigger: Trigger;
  /** Resolves when no gateway has a request in the pod and none will send one. See MeasurementServer. */
  drain(
    pod: { readonly namespace: string; readonly pod: string },
    signal: AbortSignal,
  ): Promise<void>;
}

const TICK_MS = 2_000;
const NO_LOAD: ReportedLoad = { concurrency: 0, rps: 0 };

/** Demands of revisions that no PodAutoscaler was seen for yet; more than these are asked again by their gateway. */
const EARLY_DEMANDS_MAX = 10_000;

export async function startAutoscaler(options: AutoscalerOptions): Promise<Autoscaler> {
  const deciding = new Deciding(options);
  await deciding.listen();
  return deciding;
}

class Deciding implements Autoscaler {
  readonly #options: AutoscalerOptions;
  readonly #scalers = new Map<string, RevisionScaler>();
  readonly #meters = new Map<string, ColdStartMeter>();
  readonly #earlyDemands = new Map<string, number>();
  /** By gateway, what its times and ours differ by. */
  readonly #offsetsMs = new WeakMap<object, number>();
  readonly #listeners = new Set<(key: Key) => void>();
  readonly #coldStarts: AfterColdStarts;
  #server: MeasurementServer | undefined;
  #tick: Disposable;

  constructor(options: AutoscalerOptions) {
    this.#options = options;
    this.#coldStarts = new AfterColdStarts(options.clock);
    if (options.metrics) meterScalers(options.metrics, () => this.#scalers.values());
    this.#tick = this.#nextTick();
  }

  async listen(): Promise<void> {
    const { socketPath, clock, log } = this.#options;
    const onMessage = (message: FromGateway, gateway: object): void =>
      this.#onMessage(message, gateway);
    this.#server = await startMeasurementServer({ socketPath, clock, log, onMessage });
  }

  readonly trigger: Trigger = (enqueue, signal) => {
    this.#listeners.add(enqueue);
    signal.addEventListener('abort', () => this.#listeners.delete(enqueue), { once: true });
  };

  observe(target: ScaleTarget): ScaleDecision {
    const key = keyText(target);
    let scaler = this.#scalers.get(key);
    if (scaler) scaler.observe(target);
    else {
      scaler = new RevisionScaler(target, this.#options.clock.monotonicMs());
      this.#scalers.set(key, scaler);
      // What an earlier process started and told nobody of has met a demand that nobody says again.
      const waiting =
        this.#earlyDemands.get(key) ?? (this.#comingPods(target, 0).length || undefined);
      this.#earlyDemands.delete(key);
      if (waiting !== undefined) this.#meetDemand(scaler, waiting);
    }
    return scaler.decision;
  }

  forget(key: Key): void {
    const text = `${key.namespace}/${key.name}`;
    this.#scalers.delete(text);
    this.#earlyDemands.delete(text);
    this.#meters.get(text)?.[Symbol.dispose]();
    this.#meters.delete(text);
  }

  async drain(
    pod: { readonly namespace: string; readonly pod: string },
    signal: AbortSignal,
  ): Promise<void> {
    await this.#server?.drain(pod, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#tick[Symbol.dispose]();
    this.#coldStarts[Symbol.dispose]();
    await this.#server?.[Symbol.asyncDispose]();
  }

  #onMessage(message: FromGateway, gateway: object): void {
    switch (message.type) {
      case 'report':
        return this.#onReport(message, this.#timeOf(message.atMs, gateway));
      case 'demand':
        return this.#onDemand(message);
      case 'coldStart':
        return this.#onColdStart(message);
      case 'drained':
        // The channel itself has told whoever waits for it.
        return;
    }
  }

  /** A report speaks of every revision: what it does not name had no request. */
  #onReport({ loads, periodMs }: Extract<FromGateway, { type: 'report' }>, atMs: number): void {
    const seconds = Math.max(periodMs, 1) / 1_000;
    const reported = new Map(
      loads.map((load) => [
        keyText(load),
        { concurrency: load.concurrency, rps: load.requests / seconds },
      ]),
    );
    for (const [key, scaler] of this.#scalers) scaler.report(reported.get(key) ?? NO_LOAD, atMs);
  }

  /**
   * A gateway's time by our clock, as if the report had taken as long as the fastest of that gateway did: after this process
   * stood still all reports of that time come at once, and must not count as the load of one second.
   */
  #timeOf(atMs: number, gateway: object): number {
    const tookMs = this.#options.clock.monotonicMs() - atMs;
    const offsetMs = Math.min(this.#offsetsMs.get(gateway) ?? tookMs, tookMs);
    this.#offsetsMs.set(gateway, offsetMs);
    return atMs + offsetMs;
  }

  #onDemand(demand: Extract<FromGateway, { type: 'demand' }>): void {
    const key = keyText(demand);
    const scaler = this.#scalers.get(key);
    if (scaler) this.#meetDemand(scaler, demand.waiting);
    else if (this.#earlyDemands.size < EARLY_DEMANDS_MAX) {
      this.#earlyDemands.set(key, demand.waiting);
    }
  }

  #onColdStart(message: Extract<FromGateway, { type: 'coldStart' }>): void {
    const { type: _, ...coldStart } = message;
    const key = keyText(coldStart);
    const scaler = this.#scalers.get(key);
    const heardMs = scaler?.demandedMs;
    const known = { ...coldStart, ...(heardMs !== undefined && { heardMs }) };
    this.#options.onColdStart?.(known);
    if (scaler) this.#meterOf(scaler)?.coldStart({ ...known, ...this.#options.startOf?.(known) });
    this.#coldStarts.answered(key);
  }

  #meterOf(scaler: RevisionScaler): ColdStartMeter | undefined {
    const { metrics } = this.#options;
    const key = keyText(scaler.target);
    const meter = this.#meters.get(key) ?? (metrics && new ColdStartMeter(metrics, scaler));
    if (meter) this.#meters.set(key, meter);
    return meter;
  }

  /** Starts pods first and tells the API afterwards: where they are enough, when they have answered. */
  #meetDemand(scaler: RevisionScaler, waiting: number): void {
    const { target } = scaler;
    // With pods at hand the reports of each second tell the load; a demand would count it twice.
    if (target.readyPods > 0 && scaler.decision.desired > 0) return;
    const nowMs = this.#options.clock.monotonicMs();
    scaler.demand(waiting, nowMs);
    scaler.decide(nowMs);
    const isMet = this.#startAhead(scaler) >= scaler.podsForDemand;
    if (isMet) this.#coldStarts.add(keyText(target), () => this.#announce(target));
    else this.#announce(target);
  }

  /** Returns how many come. */
  #startAhead(scaler: RevisionScaler): number {
    const { namespace, revision, port } = scaler.target;
    const pods = this.#comingPods(scaler.target, scaler.podsForDemand);
    for (const { name, address } of pods) {
      this.#server?.broadcast({
        type: 'starting',
        namespace,
        revision,
        pod: name,
        address,
        port,
      });
    }
    return pods.length;
  }

  /** Starts what is missing to `count`, and returns all that come. */
  #comingPods(
    { namespace, revision, deployment }: ScaleTarget,
    count: number,
  ): readonly StartingPod[] {
    const onStopped = (pod: string): void =>
      this.#server?.broadcast({ type: 'stopped', namespace, revision, pod });
    return this.#options.headStart?.start({ namespace, deployment, count }, onStopped) ?? [];
  }

  #nextTick(): Disposable {
    return this.#options.clock.after(TICK_MS, () => {
      const nowMs = this.#options.clock.monotonicMs();
      for (const scaler of this.#scalers.values()) {
        const before = scaler.decision;
        const after = scaler.decide(nowMs);
        if (isDifferent(before, after)) this.#announce(scaler.target);
      }
      this.#tick = this.#nextTick();
    });
  }

  #announce({ namespace, revision }: ScaleTarget): void {
    for (const enqueue of this.#listeners) enqueue({ namespace, name: revision });
  }
}

/** Of the burst capacity only its sign matters to anybody: whether the gateway is needed. */
function isDifferent(a: ScaleDecision, b: ScaleDecision): boolean {
  return a.desired !== b.desired || a.excessBurstCapacity < 0 !== b.excessBurstCapacity < 0;
}

function keyText({
  namespace,
  revision,
}: {
  readonly namespace: string;
  readonly revision: string;
}): string {
  return `${namespace}/${revision}`;
}
