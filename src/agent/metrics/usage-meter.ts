import { sleep, type Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { ObjectMeta } from '#api/meta/object-meta.ts';
import { renderQuantity } from '#api/meta/quantity.ts';
import { NodeMetrics } from '#api/metrics-v1beta1/node-metrics.ts';
import { PodMetrics } from '#api/metrics-v1beta1/pod-metrics.ts';
import { apiVersionOf, type Kind } from '#api/kind.ts';
import { rateBetween, type Rate, type Sample } from '#agent/metrics/rate.ts';
import { machineUsage } from '#agent/metrics/machine-usage.ts';
import type { RunningContainer, RunningPod } from '#agent/metrics/running-pods.ts';
import { timestamp } from '#api/meta/timestamp.ts';
import type { Runtime } from '#agent/runtime/runtime.ts';

/** As metrics-server and the kubelet have it: short enough for an autoscaler, long enough to be an average. */
const PERIOD_MS = 15_000;

export interface UsageMeterOptions {
  readonly runtime: Pick<Runtime, 'usage'>;
  readonly running: () => readonly RunningPod[];
  readonly nodeName: string;
  readonly clock: Clock;
}

/** Measures the node and its pods once a period, and holds the newest result alone. */
export class UsageMeter {
  readonly #options: UsageMeterOptions;
  #samples: ReadonlyMap<string, Sample> = new Map();
  #pods: readonly PodMetrics[] = [];
  #machine: Sample | undefined;
  #nodes: readonly NodeMetrics[] = [];

  constructor(options: UsageMeterOptions) {
    this.#options = options;
  }

  /** Without pods of which a container is not measured yet: a sum with a part left out is no sum. */
  pods(): readonly PodMetrics[] {
    return this.#pods;
  }

  nodes(): readonly NodeMetrics[] {
    return this.#nodes;
  }

  /** Measures until `signal` is aborted. */
  async keep({ log, signal }: { readonly log: Log; readonly signal: AbortSignal }): Promise<void> {
    while (!signal.aborted) {
      await this.measure().catch((error: unknown) =>
        log.error('agent: what pods use could not be measured', { error }),
      );
      await sleep(this.#options.clock, PERIOD_MS, signal).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
    }
  }

  async measure(): Promise<void> {
    this.#measureNode();
    const samples = new Map<string, Sample>();
    const measured: PodMetrics[] = [];
    for (const { pod, containers } of this.#options.running()) {
      const rates = await Promise.all(
        containers.map(async (container) => await this.#rateOf(container, samples)),
      );
      const known = rates.filter((rate) => rate !== undefined);
      if (known.length === 0 || known.length < rates.length) continue;
      measured.push(this.#podMetrics({ pod, containers, rates: known }));
    }
    this.#samples = samples;
    this.#pods = measured;
  }

  /** Notes the container's newest sample in `samples`. */
  async #rateOf(
    { id, startedAt }: RunningContainer,
    samples: Map<string, Sample>,
  ): Promise<Rate | undefined> {
    const { runtime, clock } = this.#options;
    const usage = await runtime.usage(id);
    if (!usage) return undefined;
    const sample: Sample = { ...usage, atMs: clock.monotonicMs() };
    samples.set(id, sample);
    const ageMs = clock.now().getTime() - Date.parse(startedAt);
    return rateBetween(this.#samples.get(id) ?? beginning(sample, ageMs), sample);
  }

  #measureNode(): void {
    const { clock, nodeName } = this.#options;
    const sample = { ...machineUsage(), atMs: clock.monotonicMs() };
    const rate = rateBetween(this.#machine, sample);
    this.#machine = sample;
    if (!rate) return;
    this.#nodes = [
      { ...this.#head(NodeMetrics, { name: nodeName }, rate.windowMs), usage: amounts(rate) },
    ];
  }

  #podMetrics({
    pod: { metadata },
    containers,
    rates,
  }: RunningPod & { readonly rates: readonly Rate[] }): PodMetrics {
    const { name = '', namespace = '', labels } = metadata;
    const windowMs = Math.max(...rates.map((rate) => rate.windowMs));
    return {
      ...this.#head(PodMetrics, { name, namespace, ...(labels && { labels }) }, windowMs),
      containers: rates.map((rate, at) => ({
        name: containers[at]?.name ?? '',
        usage: amounts(rate),
      })),
    };
  }

  #head(kind: Kind, metadata: ObjectMeta, windowMs: number) {
    const now = timestamp(this.#options.clock.now());
    return {
      apiVersion: apiVersionOf(kind),
      kind: kind.kind,
      metadata: { ...metadata, creationTimestamp: now },
      timestamp: now,
      window: `${Math.round(windowMs) / 1000}s`,
    };
  }
}

/** A container had used nothing when it began; one that began long ago tells nothing of now. */
function beginning({ atMs }: Sample, ageMs: number): Sample | undefined {
  return ageMs < 2 * PERIOD_MS ? { cpuNanos: 0, memoryBytes: 0, atMs: atMs - ageMs } : undefined;
}

const NANO = 1_000_000_000n;

function amounts({ cpuNanos, memoryBytes }: Rate): Record<string, string> {
  return {
    cpu: renderQuantity({ nano: BigInt(Math.round(cpuNanos)), isBinary: false }),
    memory: renderQuantity({ nano: BigInt(memoryBytes) * NANO, isBinary: true }),
  };
}
