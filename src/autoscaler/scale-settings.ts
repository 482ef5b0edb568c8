import { parseScaleAnnotations } from '#api/autoscaling-v1alpha1/scale-annotations.ts';
import type { AutoscalerConfig } from '#api/serving-config/config-autoscaler.ts';

/** How one revision scales: its annotations over the configuration. */
export interface ScaleSettings {
  readonly stableWindowMs: number;
  readonly panicWindowMs: number;
  /** Wanted over ready pods from which a panic begins: 2 is twice as many. */
  readonly panicThreshold: number;
  /** What load is: requests at once, or requests begun each second. */
  readonly metric: 'concurrency' | 'rps';
  /** The newest seconds count for more, and silence dilutes. */
  readonly isWeighted: boolean;
  /** The load that one pod shall get, and that it can take. */
  readonly target: number;
  readonly total: number;
  /** −1: unlimited. */
  readonly targetBurstCapacity: number;
  readonly maxScaleUpRate: number;
  readonly maxScaleDownRate: number;
  /** Pods to start with from zero where more than one. */
  readonly activationScale: number;
  readonly scaleDownDelayMs: number;
  /** 0 where no Route leads to it, whatever is said. */
  readonly minScale: number;
  /** 0: no limit. */
  readonly maxScale: number;
  readonly initialScale: number;
  readonly podRetentionMs: number;
  readonly isScaleToZeroEnabled: boolean;
  readonly scaleToZeroGraceMs: number;
  readonly activatorCapacity: number;
}

interface Scaled {
  readonly annotations: Readonly<Record<string, string>> | undefined;
  /** 0: no limit. */
  readonly containerConcurrency: number;
  /** Whether a Route may lead to it; yes unless told. */
  readonly isReachable?: boolean;
}

/** Both spellings that admission takes. */
const WEIGHTED: readonly string[] = ['weighted-exponential', 'weightedExponential'];

/** Of requests a second this share is wanted; config-autoscaler has no word for it. */
const RPS_PERCENT = 70;

/** What a pod can take, and how much of that is wanted in percent, by what load is. */
const targets: Readonly<
  Record<
    ScaleSettings['metric'],
    (
      said: number | undefined,
      revision: Scaled,
      config: AutoscalerConfig,
    ) => { readonly total: number; readonly utilization: number }
  >
> = {
  concurrency(said, { containerConcurrency: limit }, config) {
    const total = said ?? (limit || config.containerConcurrencyTargetDefault);
    return {
      // A pod does not take more at once, whatever the annotation says.
      total: limit > 0 ? Math.min(total, limit) : total,
      utilization: config.containerConcurrencyTargetPercent,
    };
  },
  rps: (said, _, config) => ({
    total: said ?? config.requestsPerSecondTargetDefault,
    utilization: RPS_PERCENT,
  }),
};

/** Where the cluster does not let revisions begin with none, an annotation of 0 from when it did counts for nothing. */
export function initialScaleOf(said: number | undefined, config: AutoscalerConfig): number {
  return said === 0 && !config.allowsZeroInitialScale
    ? config.initialScale
    : (said ?? config.initialScale);
}

export function scaleSettings(revision: Scaled, config: AutoscalerConfig): ScaleSettings {
  const said = parseScaleAnnotations(revision.annotations);
  const stableWindowMs = said.windowMs ?? config.stableWindowMs;
  const panicWindowMs =
    (stableWindowMs * (said.panicWindowPercent ?? config.panicWindowPercent)) / 100;
  const metric = said.metric === 'rps' ? 'rps' : 'concurrency';
  const { total, utilization } = targets[metric](said.target, revision, config);
  return {
    stableWindowMs,
    panicWindowMs: Math.max(1_000, Math.round(panicWindowMs / 1_000) * 1_000),
    panicThreshold: (said.panicThresholdPercent ?? config.panicThresholdPercent) / 100,
    metric,
    isWeighted: WEIGHTED.includes(said.aggregation ?? ''),
    // In upstream's order, since each rounds in its own way: 3 × 70 % is a bit less than 2.1.
    target: Math.max(0.01, total * ((said.targetUtilizationPercent ?? utilization) / 100)),
    total,
    targetBurstCapacity: said.targetBurstCapacity ?? config.targetBurstCapacity,
    maxScaleUpRate: config.maxScaleUpRate,
    maxScaleDownRate: config.maxScaleDownRate,
    activationScale: said.activationScale ?? 1,
    scaleDownDelayMs: said.scaleDownDelayMs ?? config.scaleDownDelayMs,
    minScale: revision.isReachable === false ? 0 : (said.minScale ?? config.minScale),
    maxScale: said.maxScale ?? config.maxScale,
    initialScale: initialScaleOf(said.initialScale, config),
    podRetentionMs: said.podRetentionMs ?? config.podRetentionMs,
    isScaleToZeroEnabled: config.isScaleToZeroEnabled,
    scaleToZeroGraceMs: config.scaleToZeroGraceMs,
    activatorCapacity: config.activatorCapacity,
  };
}
